/* load.c: many terminals in one thread, as fast as they get answers or at a fixed rate.
 *
 *     load --port P [options]            one JSON object on stdout when it is over
 *
 *     --connections N   terminals, one connection each (source addresses 127.0.0.1, .2, … 5,000 on each)
 *     --window W        closed loop: frames a terminal has on the way before it waits for an answer (default 1);
 *                       with --rate: the most it may have
 *     --rate R          open loop: R frames/s in all; latency counts from the moment a frame was due, not sent
 *     --warmup S        seconds before measuring begins (default 1)
 *     --seconds S       seconds measured (default 5)
 *     --drain S         seconds to wait for the last answers (default 5)
 *     --phone N         phone of the first terminal, the others count up (default 13000000000)
 *     --edition E       2013 (default) or 2019
 *     --no-auth         send reports at once, without registration and authentication
 *     --fifo            an answer is for the oldest report on the way, whatever serial it quotes (for echo.c)
 *     --idle            authenticate, print {"ready": N}, and hold the connections until stdin ends
 *     --reconnect       a lost connection is made again, and what was not answered is sent again byte for byte
 *     --ledger FILE     write (uint32 terminal, uint32 serial) for every report answered with result 0; a terminal
 *                       then stops before its serial wraps, so that (terminal, serial) names one report
 *
 * SIGTERM ends the seconds early: it waits for the last answers and reports as always.
 *
 * Each frame is one write on a TCP_NODELAY socket, so it travels in a segment of its own. Without --reconnect the
 * load ends when its last connection is gone: exit code 3, and the report says "server_lost".
 */
#define _GNU_SOURCE
#include "terminal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

enum {
    EVENTS = 512,
    CONNECTING_MAX = 64,            /* connection attempts at a time: a listener's queue is not what is measured */
    PER_ADDRESS = 5000,             /* connections from one source address */
    RETRY_MS = 100,                 /* a lost connection is made again after this plus 0..400 ms */
    WINDOW_MAX = 4096,
    LEDGER_SEQ_MAX = 60000,         /* serials 60000 and above are for registration and authentication */
    INPUT_BYTES = 512,
    MINOR_BITS = 6,                 /* histogram: 64 steps per power of two, so within 1.6 % */
    HISTOGRAM_BUCKETS = 64 << MINOR_BITS,
    TICK_NS = 200000,               /* open loop: how often the clock is looked at */
    DIAL_NS = 2000000,              /* how often missing connections are looked for */
    SETUP_S = 60,                   /* time for all terminals to come online */
};

enum state { CLOSED, CONNECTING, REGISTERING, AUTHENTICATING, READY };

struct connection {
    struct terminal terminal;
    int fd;
    enum state state;
    uint32_t oldest, next;          /* reports [oldest, next) are on the way or answered out of order */
    uint32_t resend;                /* next of them to send again after a reconnect; == next: none */
    uint16_t management_serial;     /* counts down from 65535, apart from the reports' */
    uint8_t code[CODE_BYTES_MAX], code_bytes;
    uint64_t retry_at_ns;
    uint8_t output[FRAME_BYTES_MAX], input[INPUT_BYTES];
    uint16_t output_bytes, input_bytes; /* the rest of a frame the socket did not take; an unfinished answer */
};

static struct {
    int port, connections, window, no_auth, fifo, idle, reconnect;
    double rate, warmup, seconds, drain;
    uint64_t phone;
    const char *ledger;
} options = {.connections = 1, .window = 1, .warmup = 1, .seconds = 5, .drain = 5, .phone = 13000000000ULL};

static struct connection *connections;
static uint64_t *due;               /* [terminal][seq % window]: when a report was due, ANSWERED, or RESENT */
enum { ANSWERED = 0, RESENT = 1 };
static FILE *ledger;
static int poll_fd, connecting, alive, ready, ever_ready, sending, measuring;
static uint64_t sent, answered, resent, unmatched, unreadable, lost_connections, refused[256], handshakes_refused;
static uint64_t total_answered, total_sent, outstanding, now_ns;
static uint64_t histogram[HISTOGRAM_BUCKETS], slowest_ns;

static uint64_t clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

static volatile sig_atomic_t told_to_end;

static void on_sigterm(int number)
{
    told_to_end = number;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* ------------------------------------------------------------------------------------------------- histogram */

static unsigned bucket_of(uint64_t ns)
{
    if (ns < 1 << MINOR_BITS)
        return (unsigned)ns;
    unsigned shift = 63 - (unsigned)__builtin_clzll(ns) - MINOR_BITS;
    return ((shift + 1) << MINOR_BITS) + (unsigned)(ns >> shift) - (1 << MINOR_BITS);
}

static double bucket_us(unsigned b)
{
    if (b < 1 << MINOR_BITS)
        return b / 1e3;
    unsigned shift = (b >> MINOR_BITS) - 1;
    return (double)(((uint64_t)(b & ((1 << MINOR_BITS) - 1)) + (1 << MINOR_BITS)) << shift) / 1e3;
}

static double percentile_us(double share)
{
    uint64_t all = 0, seen = 0;
    for (unsigned b = 0; b < HISTOGRAM_BUCKETS; b++)
        all += histogram[b];
    for (unsigned b = 0; b < HISTOGRAM_BUCKETS; b++)
        if ((seen += histogram[b]) >= share * (double)all && all)
            return bucket_us(b);
    return 0;
}

/* ----------------------------------------------------------------------------------------------- connections */

static uint64_t *due_of(struct connection *c, uint32_t seq)
{
    return &due[(size_t)c->terminal.index * (size_t)options.window + seq % (uint32_t)options.window];
}

static void watch(struct connection *c, uint32_t events, int operation)
{
    struct epoll_event event = {.events = events, .data.ptr = c};
    epoll_ctl(poll_fd, operation, c->fd, &event);
}

static void lose(struct connection *c)
{
    if (c->state == CONNECTING || c->state == REGISTERING || c->state == AUTHENTICATING)
        connecting--;
    if (c->state == READY)
        ready--;
    close(c->fd);
    c->state = CLOSED;
    c->output_bytes = c->input_bytes = 0;
    c->retry_at_ns = now_ns + (RETRY_MS + c->terminal.index * 37 % 400) * 1000000ULL;
    alive--;
    lost_connections++;
}

/* Writes one frame; what the socket does not take waits for EPOLLOUT. Never called with a frame already waiting. */
static void put_on_wire(struct connection *c, const uint8_t *frame, size_t n)
{
    ssize_t wrote = write(c->fd, frame, n);
    if (wrote == (ssize_t)n)
        return;
    if (wrote < 0 && errno != EAGAIN && errno != EINTR) {
        lose(c);
        return;
    }
    size_t done = wrote < 0 ? 0 : (size_t)wrote;
    memcpy(c->output, frame + done, n - done);
    c->output_bytes = (uint16_t)(n - done);
    watch(c, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
}

static int may_send(const struct connection *c)
{
    return c->state == READY && c->output_bytes == 0 && c->resend == c->next &&
           c->next - c->oldest < (uint32_t)options.window &&
           (ledger == NULL || c->next < LEDGER_SEQ_MAX);
}

static void send_report(struct connection *c, uint64_t due_ns)
{
    uint8_t frame[FRAME_BYTES_MAX];
    size_t n = location(&c->terminal, c->next, frame);
    *due_of(c, c->next) = due_ns;
    c->resend = ++c->next;
    outstanding++;
    sent++;
    total_sent++;
    put_on_wire(c, frame, n);
}

/* Sends again what the last connection left unanswered, then, in the closed loop, new reports up to the window. */
static void refill(struct connection *c)
{
    uint8_t frame[FRAME_BYTES_MAX];
    while (c->state == READY && c->output_bytes == 0 && c->resend != c->next) {
        uint32_t seq = c->resend++;
        if (*due_of(c, seq) == ANSWERED)
            continue;
        *due_of(c, seq) = RESENT;
        resent++;
        put_on_wire(c, frame, location(&c->terminal, seq, frame));
    }
    while (sending && options.rate == 0 && may_send(c))
        send_report(c, clock_ns());
}

static void become_ready(struct connection *c)
{
    connecting--;
    c->state = READY;
    ready++;
    if (ready > ever_ready)
        ever_ready = ready;
    c->resend = c->oldest;
    refill(c);
}

static uint16_t management_serial(struct connection *c)
{
    if (c->management_serial < LEDGER_SEQ_MAX)
        c->management_serial = UINT16_MAX;
    return c->management_serial--;
}

static void authenticate(struct connection *c)
{
    uint8_t frame[FRAME_BYTES_MAX];
    c->state = AUTHENTICATING;
    put_on_wire(c, frame, authentication(&c->terminal, management_serial(c), c->code, c->code_bytes, frame));
}

/* Connected: identify, with the code of last time if there is one. */
static void introduce(struct connection *c)
{
    uint8_t frame[FRAME_BYTES_MAX];
    if (options.no_auth) {
        become_ready(c);
    } else if (c->code_bytes) {
        authenticate(c);
    } else {
        c->state = REGISTERING;
        put_on_wire(c, frame, registration(&c->terminal, management_serial(c), frame));
    }
}

static void dial(struct connection *c)
{
    int one = 1;
    struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET};
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + c->terminal.index / PER_ADDRESS);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons((uint16_t)options.port);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->fd < 0)
        die("socket (see ulimit -n)");
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (bind(c->fd, (struct sockaddr *)&from, sizeof from) < 0)
        die("bind");
    c->state = CONNECTING;
    connecting++;
    alive++;
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS) {
        lose(c);
        return;
    }
    watch(c, EPOLLOUT, EPOLL_CTL_ADD);
}

/* Makes the connections that are missing, a few at a time. */
static void dial_some(void)
{
    static int cursor;
    static uint64_t again_at_ns;
    if (alive == options.connections || now_ns < again_at_ns)
        return;
    for (int tried = 0; tried < options.connections && connecting < CONNECTING_MAX; tried++) {
        struct connection *c = &connections[cursor];
        cursor = (cursor + 1) % options.connections;
        if (c->state == CLOSED && now_ns >= c->retry_at_ns && (c->retry_at_ns == 0 || options.reconnect))
            dial(c);
    }
    again_at_ns = now_ns + DIAL_NS;
}

/* --------------------------------------------------------------------------------------------------- answers */

static void report_answered(struct connection *c, const struct answer *a)
{
    uint32_t seq = options.fifo ? c->oldest : c->oldest + (uint16_t)(a->replied_serial - (uint16_t)c->oldest);
    uint64_t *was_due = due_of(c, seq);
    if (c->next == c->oldest || seq - c->oldest >= c->next - c->oldest || *was_due == ANSWERED) {
        unmatched++; /* the second answer to a report that was sent twice, or a wrong one */
        return;
    }
    if (a->result != 0) {
        refused[a->result]++;
    } else {
        uint64_t ns = now_ns > *was_due ? now_ns - *was_due : 0;
        answered++;
        total_answered++;
        if (*was_due != RESENT && measuring) {
            histogram[bucket_of(ns)]++;
            slowest_ns = ns > slowest_ns ? ns : slowest_ns;
        }
        if (ledger)
            fwrite((uint32_t[]){c->terminal.index, seq & 0xFFFF}, 4, 2, ledger);
    }
    *was_due = ANSWERED;
    outstanding--;
    while (c->oldest != c->next && *due_of(c, c->oldest) == ANSWERED)
        c->oldest++;
    if (c->resend - c->oldest > c->next - c->oldest)
        c->resend = c->oldest;
    refill(c);
}

static void take_answer(struct connection *c, const struct answer *a)
{
    if (c->state == READY && a->msg_id == GENERAL_ANSWER && (options.fifo || a->replied_id == LOCATION)) {
        report_answered(c, a);
    } else if (c->state == REGISTERING && a->msg_id == REGISTER_ANSWER) {
        if (a->result != 0 || a->code_bytes == 0) {
            handshakes_refused++;
            lose(c);
            return;
        }
        memcpy(c->code, a->code, a->code_bytes);
        c->code_bytes = a->code_bytes;
        authenticate(c);
    } else if (c->state == AUTHENTICATING && a->msg_id == GENERAL_ANSWER && a->replied_id == AUTHENTICATE) {
        if (a->result == 0) {
            become_ready(c);
        } else { /* as terminals do: forget the code and register the next time */
            c->code_bytes = 0;
            handshakes_refused++;
            lose(c);
        }
    }
}

static void receive(struct connection *c)
{
    ssize_t got = read(c->fd, c->input + c->input_bytes, sizeof c->input - c->input_bytes);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        lose(c);
        return;
    }
    uint8_t *start = c->input, *end = c->input + c->input_bytes + got, *flag;
    now_ns = clock_ns();
    while (c->state != CLOSED && (flag = memchr(start, FLAG, (size_t)(end - start))) != NULL) {
        uint8_t *close_flag = memchr(flag + 1, FLAG, (size_t)(end - flag - 1));
        if (close_flag == NULL) {
            start = flag;
            break;
        }
        struct answer a;
        if (close_flag == flag + 1) { /* two flags in a row: the second one opens */
            start = close_flag;
        } else {
            if (read_answer(flag + 1, (size_t)(close_flag - flag - 1), &a))
                take_answer(c, &a);
            else
                unreadable++; /* a command, or a fault of the server */
            start = close_flag + 1;
        }
    }
    if (c->state == CLOSED)
        return;
    size_t rest = (size_t)(end - start);
    if (rest == sizeof c->input) { /* no answer is that long */
        unreadable++;
        rest = 0;
    }
    memmove(c->input, start, rest);
    c->input_bytes = (uint16_t)rest;
}

static void writable(struct connection *c)
{
    if (c->state == CONNECTING) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error) {
            lose(c);
            return;
        }
        watch(c, EPOLLIN, EPOLL_CTL_MOD);
        introduce(c);
        return;
    }
    if (c->output_bytes) {
        size_t n = c->output_bytes;
        ssize_t wrote = write(c->fd, c->output, n);
        if (wrote < 0 && errno != EAGAIN && errno != EINTR) {
            lose(c);
            return;
        }
        if (wrote > 0) {
            memmove(c->output, c->output + wrote, n - (size_t)wrote);
            c->output_bytes = (uint16_t)(n - (size_t)wrote);
        }
    }
    if (c->output_bytes == 0) {
        watch(c, EPOLLIN, EPOLL_CTL_MOD);
        refill(c);
    }
}

/* ------------------------------------------------------------------------------------------------------- run */

/* One round of the event loop, at most 10 ms long. */
static void turn(void)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(poll_fd, events, EVENTS, 10);
    now_ns = clock_ns();
    for (int i = 0; i < count; i++) {
        struct connection *c = events[i].data.ptr;
        if (c == NULL) /* the open loop's timer has done its work by waking us */
            continue;
        if (c->state != CLOSED && c->state != CONNECTING && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
            receive(c);
        if (c->state != CLOSED && events[i].events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
            writable(c);
    }
    dial_some();
}

/* Every terminal is online, or those that are not will not be tried again. */
static int settled(void)
{
    return ready == options.connections ||
           (!options.reconnect && connecting == 0 && (uint64_t)alive + lost_connections == (uint64_t)options.connections);
}

static int server_lost(void) { return alive == 0 && lost_connections && !options.reconnect; }

/* Open loop: sends what is due by now, each terminal in turn; a terminal with a full window is passed over. */
static void send_due(uint64_t start_ns)
{
    static uint64_t scheduled;
    static int cursor;
    uint64_t until = (uint64_t)((double)(now_ns - start_ns) * options.rate / 1e9);
    int passed_over = 0;
    while (scheduled < until && passed_over < options.connections) {
        struct connection *c = &connections[cursor];
        cursor = (cursor + 1) % options.connections;
        if (!may_send(c)) {
            passed_over++;
            continue;
        }
        passed_over = 0;
        send_report(c, start_ns + (uint64_t)((double)scheduled++ * 1e9 / options.rate));
    }
}

static void start_tick(void)
{
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct itimerspec every = {.it_interval.tv_nsec = TICK_NS, .it_value.tv_nsec = TICK_NS};
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = NULL};
    timerfd_settime(timer, 0, &every, NULL);
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, timer, &event);
}

/* Sends for the warm-up and the measured time, then waits for the last answers; returns the seconds measured. */
static double run(void)
{
    uint64_t start = now_ns = clock_ns(), measure_from = start + (uint64_t)(options.warmup * 1e9);
    uint64_t end = measure_from + (uint64_t)(options.seconds * 1e9), drain_end = end + (uint64_t)(options.drain * 1e9);
    sending = 1;
    if (options.rate > 0)
        start_tick();
    for (int i = 0; i < options.connections; i++)
        refill(&connections[i]);
    while (now_ns < end && !told_to_end && !server_lost()) {
        turn();
        if (options.rate > 0)
            send_due(start);
        if (!measuring && now_ns >= measure_from) {
            measuring = 1;
            measure_from = now_ns;
            sent = answered = 0;
        }
    }
    if (told_to_end)
        drain_end = now_ns + (uint64_t)(options.drain * 1e9);
    sending = measuring = 0;
    double measured_s = (double)(now_ns - measure_from) / 1e9;
    uint64_t answered_in_time = answered, sent_in_time = sent;
    while (outstanding && now_ns < drain_end && !server_lost())
        turn();
    answered = answered_in_time;
    sent = sent_in_time;
    return measured_s;
}

static void print_report(double connect_s, double measured_s)
{
    printf("{\"connections\": %d, \"ready\": %d, \"connect_s\": %.3f, \"window\": %d, \"rate\": %.0f, \"frame_bytes\": %d, ",
           options.connections, ever_ready, connect_s, options.window, options.rate, LOCATION_WIRE_BYTES);
    printf("\"measured_s\": %.3f, \"sent\": %lu, \"answered\": %lu, \"answered_per_s\": %.0f, ", measured_s, sent, answered,
           measured_s > 0 ? (double)answered / measured_s : 0);
    printf("\"total_sent\": %lu, \"total_answered\": %lu, \"unanswered\": %lu, \"resent\": %lu, \"unmatched\": %lu, ",
           total_sent, total_answered, outstanding, resent, unmatched);
    printf("\"unreadable\": %lu, \"lost_connections\": %lu, \"handshakes_refused\": %lu, \"refused\": {", unreadable,
           lost_connections, handshakes_refused);
    for (int result = 1, first = 1; result < 256; result++)
        if (refused[result]) {
            printf("%s\"%d\": %lu", first ? "" : ", ", result, refused[result]);
            first = 0;
        }
    printf("}, \"latency_us\": {\"p50\": %.0f, \"p90\": %.0f, \"p99\": %.0f, \"p99_9\": %.0f, \"max\": %.0f}, ",
           percentile_us(0.5), percentile_us(0.9), percentile_us(0.99), percentile_us(0.999), (double)slowest_ns / 1e3);
    printf("\"server_lost\": %s}\n", server_lost() ? "true" : "false");
}

static void parse(int argc, char **argv)
{
    enum { CONNECTIONS = 256, PORT, WINDOW, RATE, WARMUP, SECONDS, DRAIN, PHONE, EDITION, LEDGER };
    static const struct option names[] = {
        {"port", 1, NULL, PORT},         {"connections", 1, NULL, CONNECTIONS}, {"window", 1, NULL, WINDOW},
        {"rate", 1, NULL, RATE},         {"warmup", 1, NULL, WARMUP},           {"seconds", 1, NULL, SECONDS},
        {"drain", 1, NULL, DRAIN},       {"phone", 1, NULL, PHONE},             {"edition", 1, NULL, EDITION},
        {"ledger", 1, NULL, LEDGER},     {"no-auth", 0, &options.no_auth, 1},   {"fifo", 0, &options.fifo, 1},
        {"idle", 0, &options.idle, 1},   {"reconnect", 0, &options.reconnect, 1}, {NULL, 0, NULL, 0}};
    for (int o; (o = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (o) {
        case 0: break;
        case PORT: options.port = atoi(optarg); break;
        case CONNECTIONS: options.connections = atoi(optarg); break;
        case WINDOW: options.window = atoi(optarg); break;
        case RATE: options.rate = atof(optarg); break;
        case WARMUP: options.warmup = atof(optarg); break;
        case SECONDS: options.seconds = atof(optarg); break;
        case DRAIN: options.drain = atof(optarg); break;
        case PHONE: options.phone = strtoull(optarg, NULL, 10); break;
        case EDITION: edition_2019 = strcmp(optarg, "2019") == 0; break;
        case LEDGER: options.ledger = optarg; break;
        default: exit(2);
        }
    }
    if (options.port <= 0 || options.connections < 1 || options.window < 1 || options.window > WINDOW_MAX) {
        fprintf(stderr, "load: needs --port, and --connections and --window of at least 1 (window at most %d)\n", WINDOW_MAX);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, on_sigterm);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (options.ledger && (ledger = fopen(options.ledger, "ab")) == NULL)
        die(options.ledger);
    connections = calloc((size_t)options.connections, sizeof *connections);
    due = calloc((size_t)options.connections * (size_t)options.window, sizeof *due);
    poll_fd = epoll_create1(0);
    if (connections == NULL || due == NULL || poll_fd < 0)
        die("load");
    device_time_0 = time(NULL) + GMT8_S - DEVICE_TIME_BACK_S;
    for (int i = 0; i < options.connections; i++) {
        terminal_init(&connections[i].terminal, options.phone + (uint64_t)i, (uint32_t)i);
        connections[i].management_serial = UINT16_MAX;
    }

    uint64_t begin = now_ns = clock_ns();
    dial_some();
    while (!settled() && now_ns - begin < SETUP_S * 1000000000ULL)
        turn();
    double connect_s = (double)(now_ns - begin) / 1e9, measured_s = 0;
    if (options.idle) {
        printf("{\"ready\": %d}\n", ready);
        fflush(stdout);
        for (char byte; read(STDIN_FILENO, &byte, 1) > 0;) { }
        return 0;
    }
    if (ready == 0)
        fprintf(stderr, "load: no terminal came online\n");
    else
        measured_s = run();
    if (ledger)
        fclose(ledger);
    print_report(connect_s, measured_s);
    return server_lost() || ready == 0 ? 3 : 0;
}
