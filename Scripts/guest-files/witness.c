// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

// A guest program that makes a wrong restore or a lost write visible: WITNESS.md documents its lines and its sectors.
//
// `run` counts ticks, holds a nonce in RAM only, and writes sectors whose content says which write made them.
// `check` reads a disk back and compares it with what `run` said about it.

#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/fs.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { sector_size = 512, most_sectors_per_write = 16, check_size = 1 << 20 };

static const char sector_magic[] = "FMWITNES";

struct options {
    const char *disk;
    bool console;
    uint64_t interval_ms, pause_us, flush_every, writes, sectors, seed, newest, flushed;
};

/// Where one write goes: a pure function of the seed and the write's number, so that a checker can work it out too.
struct extent {
    uint64_t first;
    unsigned count;
};

static uint64_t mix(uint64_t x) {
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

static struct extent extent_of(uint64_t seed, uint64_t number, uint64_t sectors) {
    const uint64_t r = mix(seed + number);
    return (struct extent){
        .first = (r & 0xFFFFFFFFFFFFu) % (sectors - (most_sectors_per_write - 1)),
        .count = 1 + (unsigned)(r >> 60),
    };
}

static uint64_t monotonic_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t random64(void) {
    uint64_t value = 0;
    while (getrandom(&value, sizeof value, 0) != sizeof value) continue;
    return value;
}

static int failed(const char *what, const char *path) {
    fprintf(stderr, "witness: %s %s: %s\n", what, path, strerror(errno));
    return 1;
}

/// Opens the disk past the page cache and settles how many sectors are used.
static int open_disk(struct options *options, int flags) {
    const int disk = open(options->disk, flags | O_DIRECT | O_CLOEXEC);
    if (disk < 0) return -1;
    uint64_t bytes = 0;
    struct stat status;
    if (fstat(disk, &status) == 0 && S_ISREG(status.st_mode)) bytes = (uint64_t)status.st_size;
    else if (ioctl(disk, BLKGETSIZE64, &bytes) != 0) bytes = 0;
    if (options->sectors == 0 || options->sectors > bytes / sector_size) options->sectors = bytes / sector_size;
    if (options->sectors >= most_sectors_per_write) return disk;
    close(disk);
    errno = ENOSPC;
    return -1;
}

// MARK: Sectors

static void fill_sector(uint8_t *sector, uint64_t number, uint64_t write, uint64_t seed, uint64_t time) {
    memcpy(sector, sector_magic, 8);
    store64(sector + 8, number);
    store64(sector + 16, write);
    store64(sector + 24, seed);
    store64(sector + 32, time);
    uint64_t noise = seed ^ write;
    for (size_t at = 40; at + 8 <= sector_size - 8; at += 8) store64(sector + at, noise = mix(noise));
    store32(sector + sector_size - 8, 0);
    store32(sector + sector_size - 4, crc32c(0, sector, sector_size - 4));
}

static bool is_valid(const uint8_t *sector, uint64_t number, uint64_t seed) {
    return memcmp(sector, sector_magic, 8) == 0 && load64(sector + 8) == number
        && load64(sector + 24) == seed && load32(sector + sector_size - 4) == crc32c(0, sector, sector_size - 4);
}

static bool is_zero(const uint8_t *sector) {
    return sector[0] == 0 && memcmp(sector, sector + 1, sector_size - 1) == 0;
}

// MARK: run

struct run {
    struct options options;
    int disk, out;
    uint8_t *buffer;
    /// The newest write to each sector, in RAM: a disk of another moment contradicts it.
    uint32_t *newest;
    uint64_t nonce, ticks, issued, flushed, bad;
    char boot_id[37];
};

static void print_tick(struct run *run) {
    run->ticks++;
    dprintf(
        run->out,
        "tick %llu mono %llu boot %s nonce %016llx seed %016llx sectors %llu issued %llu flushed %llu bad %llu\n",
        (unsigned long long)run->ticks, (unsigned long long)(monotonic_ns() / 1000000), run->boot_id,
        (unsigned long long)run->nonce, (unsigned long long)run->options.seed, (unsigned long long)run->options.sectors,
        (unsigned long long)run->issued, (unsigned long long)run->flushed, (unsigned long long)run->bad);
}

static int write_once(struct run *run) {
    const uint64_t number = ++run->issued, seed = run->options.seed, time = monotonic_ns();
    const struct extent extent = extent_of(seed, number, run->options.sectors);
    for (unsigned i = 0; i < extent.count; i++) {
        fill_sector(run->buffer + i * sector_size, extent.first + i, number, seed, time);
    }
    const size_t size = extent.count * sector_size;
    if (pwrite(run->disk, run->buffer, size, (off_t)(extent.first * sector_size)) != (ssize_t)size) {
        return failed("cannot write", run->options.disk);
    }
    for (unsigned i = 0; i < extent.count; i++) run->newest[extent.first + i] = (uint32_t)number;
    return 0;
}

static int flush(struct run *run) {
    // The number is taken before, and told after: what it promises is on the disk.
    const uint64_t number = run->issued;
    if (fdatasync(run->disk) != 0) return failed("cannot flush", run->options.disk);
    run->flushed = number;
    dprintf(run->out, "flushed %llu\n", (unsigned long long)number);
    return 0;
}

/// Reads back the first sector of an earlier write and compares it with what RAM remembers.
static int look_back(struct run *run) {
    const uint64_t number = 1 + mix(run->nonce + run->issued) % run->issued;
    const uint64_t sector = extent_of(run->options.seed, number, run->options.sectors).first;
    if (pread(run->disk, run->buffer, sector_size, (off_t)(sector * sector_size)) != sector_size) {
        return failed("cannot read", run->options.disk);
    }
    const bool good = is_valid(run->buffer, sector, run->options.seed) && load64(run->buffer + 16) == run->newest[sector];
    if (!good) run->bad++;
    return 0;
}

static int run_loop(struct run *run) {
    const struct options *options = &run->options;
    const uint64_t interval = options->interval_ms * 1000000;
    uint64_t next = monotonic_ns();
    for (;;) {
        if (monotonic_ns() >= next) {
            print_tick(run);
            next += interval;
        }
        if (run->disk < 0) {
            usleep((useconds_t)(options->interval_ms * 1000));
            continue;
        }
        if (write_once(run) != 0) return 1;
        if (run->issued % options->flush_every == 0 && flush(run) != 0) return 1;
        if (run->issued % 4 == 0 && look_back(run) != 0) return 1;
        if (run->issued == options->writes) break;
        if (options->pause_us > 0) usleep((useconds_t)options->pause_us);
    }
    if (run->flushed < run->issued && flush(run) != 0) return 1;
    print_tick(run);
    return run->bad > 0;
}

static int run_witness(struct options options) {
    static struct run run;
    if (options.seed == 0) options.seed = random64();
    run.disk = -1;
    run.out = STDOUT_FILENO;
    if (options.disk) {
        run.disk = open_disk(&options, O_RDWR);
        if (run.disk < 0) return failed("cannot open", options.disk);
        run.newest = calloc(options.sectors, sizeof *run.newest);
        run.buffer = aligned_alloc(4096, most_sectors_per_write * sector_size);
        if (!run.newest || !run.buffer) return failed("no memory for", options.disk);
    }
    if (options.console && (run.out = open("/dev/console", O_WRONLY | O_NOCTTY | O_CLOEXEC)) < 0) {
        return failed("cannot open", "/dev/console");
    }
    run.options = options;
    run.nonce = random64();
    read_boot_id(run.boot_id);
    return run_loop(&run);
}

// MARK: check

struct findings {
    uint64_t written, newest, invalid, newer, lost;
};

static int check_disk(int disk, const struct options *options, struct findings *findings) {
    uint8_t *buffer = aligned_alloc(4096, check_size);
    uint32_t *needed = calloc(options->sectors, sizeof *needed);
    if (!buffer || !needed) return failed("no memory for", options->disk);
    for (uint64_t number = 1; number <= options->flushed; number++) {
        const struct extent extent = extent_of(options->seed, number, options->sectors);
        for (unsigned i = 0; i < extent.count; i++) needed[extent.first + i] = (uint32_t)number;
    }
    for (uint64_t at = 0; at < options->sectors; at += check_size / sector_size) {
        const uint64_t rest = options->sectors - at;
        const size_t count = rest < check_size / sector_size ? (size_t)rest : check_size / sector_size;
        if (pread(disk, buffer, count * sector_size, (off_t)(at * sector_size)) != (ssize_t)(count * sector_size)) {
            return failed("cannot read", options->disk);
        }
        for (size_t i = 0; i < count; i++) {
            const uint8_t *sector = buffer + i * sector_size;
            uint64_t write = 0;
            if (!is_zero(sector)) {
                if (is_valid(sector, at + i, options->seed)) write = load64(sector + 16);
                else findings->invalid++;
            }
            findings->written += write > 0;
            findings->newer += write > options->newest;
            findings->lost += write < needed[at + i];
            if (write > findings->newest) findings->newest = write;
        }
    }
    free(buffer);
    free(needed);
    return 0;
}

static int check_witness(struct options options) {
    if (!options.disk || options.seed == 0) {
        fputs("witness: check needs --disk and --seed\n", stderr);
        return 2;
    }
    const int disk = open_disk(&options, O_RDONLY);
    if (disk < 0) return failed("cannot open", options.disk);
    struct findings findings = {0};
    const int status = check_disk(disk, &options, &findings);
    close(disk);
    if (status != 0) return status;
    printf(
        "check sectors %llu written %llu newest %llu invalid %llu newer %llu lost %llu\n",
        (unsigned long long)options.sectors, (unsigned long long)findings.written, (unsigned long long)findings.newest,
        (unsigned long long)findings.invalid, (unsigned long long)findings.newer, (unsigned long long)findings.lost);
    return findings.invalid + findings.newer + findings.lost > 0;
}

// MARK: Command line

static int usage(void) {
    fputs(
        "usage: witness run [--disk DEVICE] [--console] [--interval MS] [--pause US] [--flush WRITES] [--writes N]\n"
        "                   [--sectors N] [--seed HEX]\n"
        "       witness check --disk DEVICE --seed HEX [--sectors N] [--newest WRITE] [--flushed WRITE]\n",
        stderr);
    return 2;
}

int witness_main(int argc, char **argv) {
    struct options options = {.interval_ms = 200, .pause_us = 2000, .flush_every = 16, .newest = UINT64_MAX};
    static const struct option names[] = {
        {"disk", required_argument, NULL, 'd'},    {"console", no_argument, NULL, 'c'},
        {"interval", required_argument, NULL, 'i'}, {"pause", required_argument, NULL, 'p'},
        {"flush", required_argument, NULL, 'f'},   {"writes", required_argument, NULL, 'w'},
        {"sectors", required_argument, NULL, 's'}, {"seed", required_argument, NULL, 'r'},
        {"newest", required_argument, NULL, 'n'},  {"flushed", required_argument, NULL, 'l'},
        {NULL, 0, NULL, 0},
    };
    if (argc < 2) return usage();
    const char *action = argv[1];
    for (int found; (found = getopt_long(argc - 1, argv + 1, "", names, NULL)) != -1;) {
        char *rest = NULL;
        const uint64_t number = optarg ? strtoull(optarg, &rest, found == 'r' ? 16 : 10) : 0;
        if (rest && *rest != 0 && found != 'd') return usage();
        switch (found) {
        case 'd': options.disk = optarg; break;
        case 'c': options.console = true; break;
        case 'i': options.interval_ms = number; break;
        case 'p': options.pause_us = number; break;
        case 'f': options.flush_every = number; break;
        case 'w': options.writes = number; break;
        case 's': options.sectors = number; break;
        case 'r': options.seed = number; break;
        case 'n': options.newest = number; break;
        case 'l': options.flushed = number; break;
        default: return usage();
        }
    }
    if (optind != argc - 1 || options.interval_ms == 0 || options.flush_every == 0) return usage();
    if (!strcmp(action, "run")) return run_witness(options);
    if (!strcmp(action, "check")) return check_witness(options);
    return usage();
}
