/* terminal.h: the frames a terminal sends and the answers it understands (JT/T 808-2013 and -2019), for load.c.
 *
 * Every frame is a function of (terminal, sequence number), so one that was not answered can be sent again byte for
 * byte, as the standard asks.
 *
 * The location report 0x0200 位置信息汇报 takes 107 bytes on the wire, more only if a byte needs escaping:
 *
 *     7E | header 12 (17) | base information 28 | 12 items 64 (59) | check 1 | 7E          2013 (2019)
 *
 * with the items 01 02 03 04 14 15 16 17 25 2B 31 of the tables of 808 and 1078 in both, and 13 (2013) or 18 (2019)
 * as the twelfth, to make the sum come out.
 */
#ifndef TERMINAL_H
#define TERMINAL_H

#include <stdint.h>
#include <string.h>
#include <time.h>

enum {
    FLAG = 0x7E,
    ESCAPE = 0x7D,
    REGISTER = 0x0100,
    AUTHENTICATE = 0x0102,
    LOCATION = 0x0200,
    GENERAL_ANSWER = 0x8001,
    REGISTER_ANSWER = 0x8100,
    CODE_BYTES_MAX = 64,                     /* authentication code 鉴权码 */
    BODY_BYTES_MAX = 128,
    FRAME_BYTES_MAX = 2 * (17 + BODY_BYTES_MAX + 1) + 2,
    LOCATION_WIRE_BYTES = 107,
    DAY_S = 86400,
    GMT8_S = 8 * 3600,
    DEVICE_TIME_BACK_S = 30 * DAY_S,         /* reports begin so long ago and advance a second each: never in the future */
};

struct terminal {
    uint8_t phone[10]; /* BCD, the last 6 bytes in the 2013 header */
    uint32_t index;
};

/* What an answer says. */
struct answer {
    uint16_t msg_id, replied_serial, replied_id;
    uint8_t result;
    uint8_t code[CODE_BYTES_MAX];
    uint8_t code_bytes;
};

static int edition_2019;     /* all terminals speak one edition */
static time_t device_time_0; /* device time of sequence number 0, seconds since 1970 as if GMT+8 were UTC */

static inline uint8_t bcd(unsigned n) { return (uint8_t)((n / 10 << 4) | n % 10); }

static inline uint8_t *put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
    return p + 2;
}

static inline uint8_t *put32(uint8_t *p, uint32_t v) { return put16(put16(p, v >> 16), v & 0xFFFF); }

static void terminal_init(struct terminal *t, uint64_t phone, uint32_t index)
{
    t->index = index;
    for (int i = 9; i >= 0; i--, phone /= 100)
        t->phone[i] = bcd((unsigned)(phone % 100));
}

/* Puts header, check byte, escapes and flags around a body; returns the bytes on the wire. */
static size_t wrap(const struct terminal *t, unsigned msg_id, unsigned serial, const uint8_t *body, size_t n, uint8_t *out)
{
    uint8_t plain[17 + BODY_BYTES_MAX + 1], *p = put16(plain, msg_id);
    p = put16(p, (unsigned)n | (edition_2019 ? 0x4000 : 0));
    if (edition_2019) {
        *p++ = 1;
        memcpy(p, t->phone, 10);
        p += 10;
    } else {
        memcpy(p, t->phone + 4, 6);
        p += 6;
    }
    p = put16(p, serial);
    memcpy(p, body, n);
    p += n;
    uint8_t check = 0, *o = out;
    for (uint8_t *q = plain; q < p; q++)
        check ^= *q;
    *p++ = check;
    *o++ = FLAG;
    for (uint8_t *q = plain; q < p; q++) {
        if (*q == FLAG || *q == ESCAPE) {
            *o++ = ESCAPE;
            *o++ = *q == FLAG ? 2 : 1;
        } else {
            *o++ = *q;
        }
    }
    *o++ = FLAG;
    return (size_t)(o - out);
}

/* 终端注册 */
static size_t registration(const struct terminal *t, unsigned serial, uint8_t *out)
{
    uint8_t body[BODY_BYTES_MAX] = {0}, *p = put16(put16(body, 31), 0x0115);
    size_t maker = edition_2019 ? 11 : 5, model = edition_2019 ? 30 : 20, id = edition_2019 ? 30 : 7;
    memcpy(p, "BENCH", 5);
    memcpy(p + maker, "LOAD", 4);
    for (int i = 0; i < 7; i++) /* terminal id 终端ID: the index in decimal */
        p[maker + model + 6 - (size_t)i] = (uint8_t)('0' + (t->index / (unsigned[]){1, 10, 100, 1000, 10000, 100000, 1000000}[i]) % 10);
    p += maker + model + id;
    *p++ = 2; /* plate colour 车牌颜色: yellow */
    memcpy(p, "BENCH", 5);
    return wrap(t, REGISTER, serial, body, (size_t)(p + 5 - body), out);
}

/* 终端鉴权 */
static size_t authentication(const struct terminal *t, unsigned serial, const uint8_t *code, size_t n, uint8_t *out)
{
    uint8_t body[BODY_BYTES_MAX] = {0}, *p = body;
    if (edition_2019)
        *p++ = (uint8_t)n;
    memcpy(p, code, n);
    p += n;
    if (edition_2019) { /* IMEI and software version */
        memcpy(p, "860000000000000", 15);
        memcpy(p + 15, "load 1", 6);
        p += 35;
    }
    return wrap(t, AUTHENTICATE, serial, body, (size_t)(p - body), out);
}

/* 时间 YYMMDDhhmmss; the calendar is asked once per day. */
static uint8_t *put_time(uint8_t *p, time_t at)
{
    static time_t day = -1;
    static uint8_t date[3];
    if (at / DAY_S != day) {
        struct tm local;
        day = at / DAY_S;
        gmtime_r(&at, &local);
        date[0] = bcd((unsigned)local.tm_year % 100);
        date[1] = bcd((unsigned)local.tm_mon + 1);
        date[2] = bcd((unsigned)local.tm_mday);
    }
    unsigned s = (unsigned)(at % DAY_S);
    memcpy(p, date, 3);
    p[3] = bcd(s / 3600);
    p[4] = bcd(s / 60 % 60);
    p[5] = bcd(s % 60);
    return p + 6;
}

static inline uint8_t *item(uint8_t *p, unsigned id, unsigned length, uint32_t value)
{
    *p++ = (uint8_t)id;
    *p++ = (uint8_t)length;
    switch (length) {
    case 1: *p = (uint8_t)value; return p + 1;
    case 2: return put16(p, value);
    default: return put32(p, value);
    }
}

/* 位置信息汇报; seq counts from 0 without wrapping, the header carries its low 16 bits. */
static size_t location(const struct terminal *t, uint32_t seq, uint8_t *out)
{
    uint8_t body[BODY_BYTES_MAX], *p = body;
    p = put32(p, 0);                                           /* alarm flags 报警标志 */
    p = put32(p, 0x000C0003);                                  /* status 状态: ACC on, positioned, GPS, BeiDou */
    p = put32(p, 31000000 + t->index * 101 % 900000 + seq);    /* latitude 纬度 */
    p = put32(p, 120000000 + t->index * 211 % 900000 + 2 * seq);
    p = put16(p, 12);                                          /* altitude 高程 */
    p = put16(p, 300 + seq % 500);                             /* speed 速度 */
    p = put16(p, seq % 360);                                   /* direction 方向 */
    p = put_time(p, device_time_0 + (time_t)seq);
    p = item(p, 0x01, 4, 100000 + seq);                        /* mileage 里程 */
    p = item(p, 0x02, 2, 800 - seq % 700);                     /* fuel 油量 */
    p = item(p, 0x03, 2, 300 + seq % 500);                     /* recorder speed 行驶记录功能获取的速度 */
    p = item(p, 0x04, 2, 1 + seq % 1000);                      /* event to confirm 需要人工确认报警事件的ID */
    if (!edition_2019) {                                       /* segment time 路段行驶时间 */
        p = item(p, 0x13, 4, 7);
        p[-5] = 7;
        p = put16(p, seq % 3600);
        *p++ = 0;
    }
    p = item(p, 0x14, 4, 0);                                   /* video alarms 视频相关报警 */
    p = item(p, 0x15, 4, 0);
    p = item(p, 0x16, 4, 0);
    p = item(p, 0x17, 2, 0);
    if (edition_2019)
        p = item(p, 0x18, 2, 0);
    p = item(p, 0x25, 4, 1);                                   /* vehicle signals 扩展车辆信号状态位 */
    p = item(p, 0x2B, 4, 0x00100020);                          /* analogue 模拟量 */
    p = item(p, 0x31, 1, 9 + seq % 8);                         /* satellites 定位卫星数 */
    return wrap(t, LOCATION, seq & 0xFFFF, body, (size_t)(p - body), out);
}

/* Reads the bytes between two flags; 0 when they are no whole answer with a right check byte. */
static int read_answer(const uint8_t *data, size_t n, struct answer *a)
{
    uint8_t plain[256], check = 0;
    size_t length = 0;
    for (size_t i = 0; i < n && length < sizeof plain; i++) {
        uint8_t byte = data[i];
        if (byte == ESCAPE && i + 1 < n)
            byte = data[++i] == 2 ? FLAG : ESCAPE;
        plain[length++] = byte;
        check ^= byte;
    }
    if (check != 0 || length < 13)
        return 0;
    size_t head = plain[2] & 0x40 ? 17 : 12;
    if (length < head + 3 + 1)
        return 0;
    const uint8_t *body = plain + head;
    size_t body_bytes = length - head - 1;
    a->msg_id = (uint16_t)(plain[0] << 8 | plain[1]);
    a->replied_serial = (uint16_t)(body[0] << 8 | body[1]);
    a->code_bytes = 0;
    if (a->msg_id == GENERAL_ANSWER && body_bytes >= 5) {
        a->replied_id = (uint16_t)(body[2] << 8 | body[3]);
        a->result = body[4];
        return 1;
    }
    if (a->msg_id == REGISTER_ANSWER && body_bytes - 3 <= CODE_BYTES_MAX) {
        a->replied_id = REGISTER;
        a->result = body[2];
        a->code_bytes = (uint8_t)(body_bytes - 3);
        memcpy(a->code, body + 3, a->code_bytes);
        return 1;
    }
    return 0;
}

#endif
