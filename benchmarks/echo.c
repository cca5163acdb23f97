/* echo.c: the limit to compare a gateway with.
 *
 * A single-threaded epoll server, as lean as it gets: bytes are split at 0x7E … 0x7E and every frame is answered
 * with the same 20 bytes, the size of a platform general answer 0x8001 of JT/T 808-2013. It checks nothing,
 * unescapes nothing and stores nothing; all answers of one read go out in one write, as they do in the gateway.
 *
 *     echo [port]          prints {"port": N} when it listens; ends on SIGTERM
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FLAG = 0x7E, ANSWER_BYTES = 20, READ_BYTES = 65536, FDS_MAX = 65536, EVENTS = 512 };

static const unsigned char answer[ANSWER_BYTES] = {
    FLAG, 0x80, 0x01, 0x00, 0x05, 0x01, 0x38, 0x00, 0x13, 0x80, 0x00, 0x00, 0x01, 0x00, 0x01, 0x02, 0x00, 0x00,
    /* check byte */ 0x2C, FLAG};

/* Whether a connection is inside of a frame, and whether a byte of that frame has come: all the state there is. */
static unsigned char in_frame[FDS_MAX], has_bytes[FDS_MAX];
static unsigned char input[READ_BYTES];
static unsigned char output[READ_BYTES / 3 * ANSWER_BYTES + ANSWER_BYTES];

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* Answers every frame that ends in input[0..n); returns the bytes to write. */
static size_t answers_to(int fd, size_t n)
{
    size_t out = 0;
    const unsigned char *p = input, *end = input + n;
    while (p < end) {
        const unsigned char *flag = memchr(p, FLAG, (size_t)(end - p));
        if (flag == NULL) {
            has_bytes[fd] = 1;
            break;
        }
        if (flag > p)
            has_bytes[fd] = 1;
        if (in_frame[fd] && has_bytes[fd]) { /* a closing flag */
            memcpy(output + out, answer, ANSWER_BYTES);
            out += ANSWER_BYTES;
            in_frame[fd] = 0;
        } else {
            in_frame[fd] = 1;
        }
        has_bytes[fd] = 0;
        p = flag + 1;
    }
    return out;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    int one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(argc > 1 ? (unsigned short)atoi(argv[1]) : 0)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 4096) < 0)
        die("listen");
    getsockname(listener, (struct sockaddr *)&address, &size);
    printf("{\"port\": %d}\n", ntohs(address.sin_port));
    fflush(stdout);

    int poll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, ready[EVENTS];
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(poll, ready, EVENTS, -1);
        if (count < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < count; i++) {
            int fd = ready[i].data.fd;
            if (fd == listener) {
                int client;
                while ((client = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                    if (client >= FDS_MAX) {
                        close(client);
                        continue;
                    }
                    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                    in_frame[client] = has_bytes[client] = 0;
                    event.events = EPOLLIN;
                    event.data.fd = client;
                    epoll_ctl(poll, EPOLL_CTL_ADD, client, &event);
                }
                continue;
            }
            ssize_t got = read(fd, input, sizeof input);
            if (got < 0 && (errno == EAGAIN || errno == EINTR))
                continue;
            if (got <= 0) {
                close(fd);
                continue;
            }
            size_t out = answers_to(fd, (size_t)got);
            /* Answers are a fifth of what comes in and the load reads them: a full socket means the load is gone. */
            if (out && write(fd, output, out) != (ssize_t)out)
                close(fd);
        }
    }
}
