// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.inbox;

import dev.flk.program.time.SteadyClock;
import dev.flk.wal.files.FileOps;
import dev.flk.wal.segment.ChecksummedLine;
import dev.flk.wal.segment.LogRecord;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The time that the backend trusted last, a file next to the log. A start compares the clock with it; nothing else shows
 * that the clock of the machine is wrong, or how long the backend was stopped. The file is a {@link ChecksummedLine}
 * with this text:
 *
 * <pre>
 * flk-clock1 time sequence [lag [doubted]]
 *
 * time      milliseconds since the epoch
 * sequence  the arrivals of later records were trusted, too. The highest possible sequence while a start doubts the
 *           clock: a restart then raises the same doubt, whatever arrived in between
 * lag       milliseconds by which the time of {@link SteadyClock#expiry} was behind, if it was: outcomes that were
 *           recorded with a late clock are still kept, and a restart with the right clock must not expire them at once
 * doubted   the time of the start that doubts the clock. An arrival more than a day later was recorded on another
 *           machine that shares a copied log, and was trusted there: this file is from an older disk
 * </pre>
 *
 * If the file is missing, the last arrival takes its place. Safe for any thread.
 */
final class TrustedTime {
    /** The name of the file in the directory of the log. */
    static final String FILE = "inbox.clock";

    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.ingest");
    private static final Pattern TEXT =
            Pattern.compile("flk-clock1 ([0-9]{1,18}) ([0-9]{1,19})(?: ([0-9]{1,18})(?: ([0-9]{1,18}))?)?");
    private static final Duration LONGEST_DOUBT = Duration.ofDays(1);

    private final FileOps files;
    private final Path directory;
    private final SteadyClock clock;
    private final Duration life;
    private final long maxAgeMillis;

    // guarded by this
    private long writtenMillis = Long.MIN_VALUE;

    /** @param life the time for which an outcome is valid */
    TrustedTime(FileOps files, Path directory, SteadyClock clock, Duration life) {
        this.files = files;
        this.directory = directory;
        this.clock = clock;
        this.life = life;
        this.maxAgeMillis = SteadyClock.maxStep(life).toMillis() / 2;
    }

    /**
     * Lets the clock compare itself with the times of the previous process, if there was one. Must be called before a
     * record is appended.
     *
     * @param newest the last record of the log
     * @throws IOException if the file can't be read, or a doubt can't be made durable
     */
    void check(Optional<LogRecord> newest) throws IOException {
        long known = Long.MIN_VALUE;
        long sequence = 0;
        long lag = 0;
        long doubted = Long.MAX_VALUE;
        if (files.list(directory).contains(FILE)) {
            Matcher text = TEXT.matcher(
                    ChecksummedLine.read(files, directory.resolve(FILE)).orElse(""));
            if (text.matches()) {
                known = Long.parseLong(text.group(1));
                sequence = Long.parseLong(text.group(2));
                lag = text.group(3) == null ? 0 : Long.parseLong(text.group(3));
                doubted = text.group(4) == null ? Long.MAX_VALUE : Long.parseLong(text.group(4));
            } else {
                LOG.warn("{} is damaged and will be replaced", directory.resolve(FILE));
            }
        }
        long expiry = known - lag;
        if (newest.isPresent()) {
            long arrival = newest.get().arrivalMillis();
            boolean isOfAnotherMachine = arrival - LONGEST_DOUBT.toMillis() > doubted;
            if (isOfAnotherMachine || newest.get().sequence() > sequence) {
                known = Math.max(known, arrival);
                expiry = arrival - (isOfAnotherMachine ? 0 : lag);
            }
        }
        if (known == Long.MIN_VALUE) {
            return;
        }
        clock.startedAfter(known, expiry, life);
        if (clock.isInDoubt()) {
            write(known + " " + Long.MAX_VALUE + " " + lag(known) + " " + clock.millis());
        }
    }

    /**
     * Writes the current time if it is trusted and the file is old. The caller owns the directory.
     *
     * @param last the sequence of the last record on disk
     * @throws IOException if the file can't be made durable; it then contains either the old or the new time
     */
    synchronized void keep(long last) throws IOException {
        long now = clock.millis();
        if (!clock.isInDoubt() && (writtenMillis == Long.MIN_VALUE || Math.abs(now - writtenMillis) >= maxAgeMillis)) {
            long lagNow = lag(now);
            write(now + " " + last + (lagNow > 0 ? " " + lagNow : ""));
            writtenMillis = now;
        }
    }

    private long lag(long millis) {
        return Math.max(0, millis - clock.expiry().millis());
    }

    private void write(String values) throws IOException {
        ChecksummedLine.write(files, directory, Inbox.SEGMENT_PREFIX, FILE, "flk-clock1 " + values);
    }
}
