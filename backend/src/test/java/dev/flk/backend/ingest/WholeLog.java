// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.dedup.StoredOutcome;
import dev.flk.backend.inbox.Inbox;
import dev.flk.backend.inbox.Inbox.Marked;
import dev.flk.backend.inbox.RecordKind;
import dev.flk.backend.inbox.RecordKind.Overruled;
import dev.flk.certificate.Certificate;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.certificate.PcsId;
import dev.flk.wal.segment.Damage;
import dev.flk.wal.segment.Damage.OnDamage;
import dev.flk.wal.segment.LogReader;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.testing.SimulatedDisk;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** What a simulated log says, as it is and as it would be if nothing were away. */
final class WholeLog {
    private final World world;
    private final SimulatedDisk disk;
    private final Path directory;
    private final MovedSegments moved;
    private boolean endIsGone;

    WholeLog(World world, SimulatedDisk disk, Path directory, MovedSegments moved) {
        this.world = world;
        this.disk = disk;
        this.directory = directory;
        this.moved = moved;
    }

    /** Somebody took its end away for good. */
    void endIsGone() {
        endIsGone = true;
    }

    /** All of it, with what is away; only what was removed past its retention may be missing. */
    List<LogRecord> read() throws IOException {
        SimulatedDisk whole = moved.isAny() ? moved.whole() : disk;
        long removed = removedUpTo();
        List<Damage> damages = new ArrayList<>();
        List<LogRecord> records = read(whole, damages);
        assertThat(damages).as("missing in the log").allMatch(damage -> damage.lastMissing() <= removed);
        return records;
    }

    private long removedUpTo() throws IOException {
        return Inbox.marked(disk.copy(), directory).map(Marked::removed).orElse(0L);
    }

    /** What of it is there, damaged or not. */
    List<LogRecord> readWhatIsThere() throws IOException {
        return read(disk.copy(), new ArrayList<>());
    }

    private List<LogRecord> read(SimulatedDisk from, List<Damage> damages) throws IOException {
        List<LogRecord> records = new ArrayList<>();
        try (LogReader reader = LogReader.open(from, directory, Inbox.SEGMENT_PREFIX, 1, OnDamage.SKIP)) {
            for (LogRecord record = reader.next(); record != null; record = reader.next()) {
                records.add(record);
            }
            damages.addAll(reader.damages());
        }
        return records;
    }

    /** Contents of submissions and evidence while a process writes it, with what is away. */
    Set<String> contentsSoFar() {
        try {
            return contents(read(moved.whole(), new ArrayList<>()));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Whether nothing was removed from it, past its retention or by anybody. */
    boolean isWhole() throws IOException {
        return !endIsGone && removedUpTo() == 0;
    }

    /** Ids of submissions that have not expired. */
    Set<PcsId> submittedIds() throws IOException {
        Set<PcsId> ids = new HashSet<>();
        for (LogRecord record : read()) {
            if (record.kind() == RecordKind.SUBMISSION && standsForEverybody(record)) {
                ids.add(idOf(record));
            }
        }
        return ids;
    }

    /** Ids of submissions that neither lost nor expired. */
    Set<PcsId> unbeatenIds() throws IOException {
        Map<Long, PcsId> open = new HashMap<>();
        for (LogRecord record : read()) {
            if (record.kind() == RecordKind.SUBMISSION && standsForEverybody(record)) {
                open.put(record.sequence(), idOf(record));
            } else if (record.kind() == RecordKind.OVERRULED) {
                open.remove(Overruled.decode(record.body()).sequence());
            }
        }
        return new HashSet<>(open.values());
    }

    /** Not expired, and not about to, by any clock. */
    private boolean standsForEverybody(LogRecord submission) {
        return expiryMillis(submission) > world.latestMillis() + world.clocksApartMillis();
    }

    private static long expiryMillis(LogRecord submission) {
        return submission.arrivalMillis() + Simulation.TTL.toMillis();
    }

    /** Contents of submissions and evidence, each with its id. */
    Set<String> contents() throws IOException {
        return contents(read());
    }

    private static Set<String> contents(List<LogRecord> records) {
        Set<String> contents = new HashSet<>();
        for (LogRecord record : records) {
            if (record.kind() != RecordKind.OVERRULED) {
                contents.add(contentOf(record.body()));
            }
        }
        return contents;
    }

    /**
     * Nobody else uses the store: what overruled a submission stands before it. Unless the submission had expired, and
     * a clock that went back lets it stand again.
     */
    void assertFirstWon() throws IOException {
        Map<String, Long> first = new HashMap<>();
        Map<Long, Long> expiries = new HashMap<>();
        for (LogRecord record : read()) {
            if (record.kind() == RecordKind.SUBMISSION) {
                first.putIfAbsent(contentOf(record.body()) + " " + expiryMillis(record), record.sequence());
                expiries.put(record.sequence(), expiryMillis(record));
            } else if (record.kind() == RecordKind.OVERRULED) {
                Overruled lost = Overruled.decode(record.body());
                StoredOutcome winner = lost.existing();
                Long before = first.get(winner.id() + " " + winner.digest().hex() + " " + winner.expiresAtMillis());
                assertThat(before != null || !isWhole())
                        .as("what overruled record %s is there", lost.sequence())
                        .isTrue();
                // what won may have waited for the store until what lost had expired
                long wonAtLatest =
                        Math.max(winner.expiresAtMillis() - Simulation.TTL.toMillis(), record.arrivalMillis());
                if (before != null
                        && expiries.getOrDefault(lost.sequence(), 0L) > wonAtLatest + world.clocksApartMillis()) {
                    assertThat(before).isLessThan(lost.sequence());
                }
            }
        }
    }

    private static PcsId idOf(LogRecord submission) {
        return certificate(submission.body()).id();
    }

    /** An id, and what is said under it. */
    static String contentOf(byte[] body) {
        Certificate certificate = certificate(body);
        return certificate.id() + " " + certificate.contentDigest().hex();
    }

    private static Certificate certificate(byte[] body) {
        try {
            return CertificateReader.parse(body).checkIgnoringClock();
        } catch (MalformedCertificate e) {
            throw new AssertionError(e);
        }
    }
}
