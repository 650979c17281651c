// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.decide.RecordKind;
import dev.flk.backend.decide.RecordKind.Overruled;
import dev.flk.backend.decide.StoredOutcome;
import dev.flk.backend.inbox.Inbox;
import dev.flk.backend.inbox.Inbox.Marked;
import dev.flk.certificate.Certificate;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.certificate.PcsId;
import dev.flk.wal.LogInspector;
import dev.flk.wal.LogInspector.SegmentSummary;
import dev.flk.wal.segment.Damage;
import dev.flk.wal.segment.Damage.OnDamage;
import dev.flk.wal.segment.LogReader;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.testing.SimulatedDisk;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;

/**
 * The files of a simulated log, whose segments can be moved away, rotated and put back. A segment that is away is on
 * the same disk under another name, so that a power loss affects it like any other file.
 */
final class InboxFiles {
    private static final String AWAY = "away-";

    private final World world;
    private SimulatedDisk disk;
    private final Path directory;
    private boolean endIsGone;

    /** Whether retention has ever removed records; an older copy of the disk does not say so. */
    private boolean hasRemoved;

    InboxFiles(World world, SimulatedDisk disk, Path directory) {
        this.world = world;
        this.disk = disk;
        this.directory = directory;
    }

    /** Continues with the files of another machine. */
    void use(SimulatedDisk other) {
        disk = other;
    }

    boolean isAnyAway() {
        return !namesAway().isEmpty();
    }

    /** Returns the names of the segments that are away. */
    List<String> namesAway() {
        return disk.names().stream().filter(name -> name.startsWith(AWAY)).toList();
    }

    private boolean isAway(SegmentSummary segment) {
        List<String> names = disk.names();
        return names.contains(AWAY + segment.name()) && !names.contains(segment.name());
    }

    /** Moves a random closed segment away, whether or not it is decided. */
    void moveClosed(Random random) throws IOException {
        List<SegmentSummary> segments = list(disk.copy());
        if (segments.size() > 1) {
            move(segments.get(random.nextInt(segments.size() - 1)));
        }
    }

    /**
     * Moves the active segment away, unless it is already away or nothing was appended to it yet: such a segment would
     * be replaced by one with the same name.
     */
    void moveNewest() throws IOException {
        if (!isEndAway()) {
            List<SegmentSummary> segments = list(disk.copy());
            SegmentSummary newest = segments.isEmpty() ? null : segments.get(segments.size() - 1);
            if (newest != null && newest.end() > newest.next()) {
                move(newest);
            }
        }
    }

    private void move(SegmentSummary segment) {
        world.trace("segment " + segment.name() + " is moved away");
        disk.moveAway(segment.name(), AWAY + segment.name());
    }

    /** Rotates all segment files as logrotate does, before one of the next eight disk operations. */
    void rotate(Random random) {
        boolean compresses = random.nextBoolean();
        boolean creates = random.nextBoolean();
        disk.meddleBefore(random.nextInt(8), () -> {
            for (String name : disk.names()) {
                if (name.endsWith(".wal") && !name.startsWith(AWAY) && disk.content(name).length > 0) {
                    world.trace("segment " + name + " is rotated");
                    disk.rotate(name, compresses, creates);
                }
            }
        });
    }

    /** Puts back all segments that are away, and removes those whose names are in use again. */
    void putBack() {
        if (isAnyAway()) {
            world.trace("segments are put back");
            putBack(disk);
        }
    }

    private static void putBack(SimulatedDisk on) {
        for (String away : on.names()) {
            String name = away.startsWith(AWAY) ? away.substring(AWAY.length()) : away;
            if (!name.equals(away)) {
                if (on.names().contains(name) || on.names().contains(name + ".gz")) {
                    on.remove(away);
                } else {
                    on.moveAway(away, name);
                }
            }
        }
    }

    /** Returns a copy of the disk with all segments put back. */
    SimulatedDisk complete() {
        SimulatedDisk copy = disk.copy();
        putBack(copy);
        return copy;
    }

    /** Returns whether the newest segment is away. If it is, nothing on the disk refers to it. */
    boolean isEndAway() throws IOException {
        List<SegmentSummary> all = list(complete());
        return !all.isEmpty() && isAway(all.get(all.size() - 1));
    }

    /** Permanently removes all segments that are away at the end of the log. */
    void removeEnd() throws IOException {
        List<SegmentSummary> all = list(complete());
        for (int i = all.size() - 1; i >= 0 && isAway(all.get(i)); i--) {
            disk.remove(AWAY + all.get(i).name());
        }
        endIsGone = true;
    }

    /** Notes that the disk was lost, so that only a part of the log may be restored. */
    void endIsGone() {
        endIsGone = true;
    }

    /** Returns whether {@link #removeEnd} was ever called, or the disk was lost. */
    boolean isEndGone() {
        return endIsGone;
    }

    private List<SegmentSummary> list(SimulatedDisk from) throws IOException {
        return new LogInspector(from, directory, Inbox.SEGMENT_PREFIX).list().segments();
    }

    /**
     * Returns the records of the log, including segments that are away, and checks that only records removed by
     * retention are missing.
     */
    List<LogRecord> records() throws IOException {
        long removed = removedUpTo();
        List<Damage> damages = new ArrayList<>();
        List<LogRecord> records = read(isAnyAway() ? complete() : disk, damages);
        assertThat(damages).as("missing in the log").allMatch(damage -> damage.lastMissing() <= removed);
        return records;
    }

    void noteRemoved() throws IOException {
        hasRemoved |= removedUpTo() > 0;
    }

    long removedUpTo() throws IOException {
        return Inbox.marked(disk.copy(), directory).map(Marked::removed).orElse(0L);
    }

    /** Returns the readable records of the segments that are not away. */
    List<LogRecord> presentRecords() throws IOException {
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

    /** Returns whether nothing was removed from the log, neither by retention nor by {@link #removeEnd}. */
    boolean isComplete() throws IOException {
        noteRemoved();
        return !endIsGone && !hasRemoved;
    }

    /** Returns the ids of submissions that have not expired. */
    Set<PcsId> submittedIds() throws IOException {
        Set<PcsId> ids = new HashSet<>();
        for (LogRecord record : records()) {
            if (isValidEverywhere(record)) {
                ids.add(idOf(record));
            }
        }
        return ids;
    }

    /** Returns the ids of submissions that are neither overruled nor expired. */
    Collection<PcsId> unbeatenIds() throws IOException {
        Map<Long, PcsId> open = new HashMap<>();
        for (LogRecord record : records()) {
            if (isValidEverywhere(record)) {
                open.put(record.sequence(), idOf(record));
            } else if (record.kind() == RecordKind.OVERRULED) {
                open.remove(Overruled.decode(record.body()).sequence());
            }
        }
        return open.values();
    }

    /**
     * Returns whether the record is a submission that, by every clock, stays valid for longer than the clocks may
     * differ.
     */
    private boolean isValidEverywhere(LogRecord record) {
        return record.kind() == RecordKind.SUBMISSION
                && expiryMillis(record) > world.latestMillis() + world.clocksApartMillis();
    }

    private static long expiryMillis(LogRecord submission) {
        return submission.arrivalMillis() + Simulation.TTL.toMillis();
    }

    /** Returns the contents of submissions and evidence, each with its id. */
    Set<String> contents() throws IOException {
        return contents(records());
    }

    /** Returns the same as {@link #contents}, but ignores damage, because a process is writing the log. */
    Set<String> contentsSoFar() {
        return contents(recordsSoFar());
    }

    /** Returns the same as {@link #records}, but ignores damage, because a process is writing the log. */
    List<LogRecord> recordsSoFar() {
        try {
            return read(complete(), new ArrayList<>());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
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
     * Checks that each overruled submission comes after the submission that won. Must not be called if another backend
     * uses the store. Submissions that had expired and became valid again when a clock went back are exempt.
     */
    void assertFirstWon() throws IOException {
        Map<String, Long> first = new HashMap<>();
        Map<Long, Long> expiries = new HashMap<>();
        for (LogRecord record : records()) {
            if (record.kind() == RecordKind.SUBMISSION) {
                first.putIfAbsent(contentOf(record.body()) + " " + expiryMillis(record), record.sequence());
                expiries.put(record.sequence(), expiryMillis(record));
            } else if (record.kind() == RecordKind.OVERRULED) {
                Overruled lost = Overruled.decode(record.body());
                StoredOutcome winner = lost.existing();
                Long before = first.get(winner.id() + " " + winner.digest().hex() + " " + winner.expiresAtMillis());
                assertThat(before != null || !isComplete())
                        .as("the record that overruled record %s is in the log", lost.sequence())
                        .isTrue();
                // the winner may have waited for the store until the loser had expired
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

    /** Returns the id and the content digest of a certificate. */
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
