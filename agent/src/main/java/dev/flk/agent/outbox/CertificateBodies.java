// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.wal.FileOps;
import dev.flk.wal.LogInspector;
import dev.flk.wal.LogReader.LogWalk;
import dev.flk.wal.LogRecord;
import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableSet;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * The certificates of entries: kept in memory up to a bound, else read from the log. Reading goes on where it ended, so that a backlog
 * is read once from its beginning to its end. Safe for several threads; what is kept is never waited for.
 */
final class CertificateBodies implements Closeable {
    /** Beyond this many sequences it is cheaper to look a record up than to read on. */
    private static final long READ_ON = 4096;

    private static final long MAX_KEPT_BYTES = 8 << 20;

    private final LogInspector log;
    private final Pending pending;
    private final Kept kept = new Kept();
    private @Nullable LogWalk walk;
    /** The sequence that the walk comes to next. */
    private long next;

    CertificateBodies(FileOps files, Path directory, Pending pending) {
        this.pending = pending;
        log = new LogInspector(files, directory, OutboxRecords.PREFIX);
    }

    /** Keeps a certificate in memory if there is room. */
    void keep(long sequence, byte[] body) {
        kept.keep(sequence, body);
    }

    void forget(long sequence) {
        kept.forget(sequence);
    }

    /** The certificates of these entries, by sequence; one that the disk has lost is missing. */
    Map<Long, byte[]> of(List<OutboxEntry> entries) throws IOException {
        Map<Long, byte[]> found = new HashMap<>();
        List<OutboxEntry> missing = new ArrayList<>();
        for (OutboxEntry entry : entries) {
            Optional<byte[]> body = kept.get(entry.sequence());
            body.ifPresentOrElse(bytes -> found.put(entry.sequence(), bytes), () -> missing.add(entry));
        }
        Map<Long, Long> before = Map.of();
        Map<Long, Long> wanted = locate(missing);
        while (!wanted.isEmpty() && !wanted.equals(before)) {
            read(wanted, found);
            // compaction may have moved one while it was looked for where it was before
            missing.removeIf(entry -> found.containsKey(entry.sequence()));
            before = wanted;
            wanted = locate(missing);
            if (wanted.equals(before) && !wanted.isEmpty()) {
                close(); // a listing of the directory may have missed a file that just got another name
                read(wanted, found);
            }
        }
        return found;
    }

    /** The sequences of entries, by the records that hold their certificates. */
    private Map<Long, Long> locate(List<OutboxEntry> entries) {
        Map<Long, Long> located = new HashMap<>();
        entries.forEach(entry -> located.put(pending.location(entry.sequence()), entry.sequence()));
        return located;
    }

    private void read(Map<Long, Long> located, Map<Long, byte[]> found) throws IOException {
        read(located.keySet())
                .forEach((location, body) -> found.put(Objects.requireNonNull(located.get(location)), body));
    }

    /** The certificates of these records; one that the disk has lost is missing. */
    synchronized Map<Long, byte[]> read(Iterable<Long> locations) throws IOException {
        NavigableSet<Long> wanted = new TreeSet<>();
        locations.forEach(wanted::add);
        Map<Long, byte[]> found = new HashMap<>();
        while (!wanted.isEmpty()) {
            try {
                readOn(wanted, found);
            } catch (IOException e) {
                close(); // the next read starts from the beginning
                throw e;
            }
        }
        return found;
    }

    private void readOn(NavigableSet<Long> wanted, Map<Long, byte[]> found) throws IOException {
        boolean fresh = walk == null || wanted.first() < next || wanted.first() - next >= READ_ON;
        LogWalk reading = fresh ? begin(wanted.first()) : walk;
        while (reading != null && !wanted.isEmpty() && wanted.first() - next < READ_ON) {
            LogRecord record = reading.next();
            if (record == null) {
                close();
                if (fresh) {
                    wanted.clear(); // the log ends before them
                }
                return;
            }
            next = record.sequence() + 1;
            wanted.headSet(record.sequence()).clear(); // passed over: lost
            if (wanted.remove(record.sequence()) && OutboxRecords.holdsCertificate(record.kind())) {
                found.put(record.sequence(), OutboxRecords.certificate(record));
            }
        }
    }

    private LogWalk begin(long location) throws IOException {
        close();
        LogWalk begun = log.walk(location);
        walk = begun;
        next = location;
        return begun;
    }

    @Override
    public synchronized void close() throws IOException {
        LogWalk left = walk;
        walk = null;
        if (left != null) {
            left.close();
        }
    }

    private static final class Kept {
        private final Map<Long, byte[]> bodies = new HashMap<>();
        private long bytes;

        synchronized void keep(long sequence, byte[] body) {
            if (bytes + body.length <= MAX_KEPT_BYTES && bodies.putIfAbsent(sequence, body) == null) {
                bytes += body.length;
            }
        }

        synchronized Optional<byte[]> get(long sequence) {
            return Optional.ofNullable(bodies.get(sequence));
        }

        synchronized void forget(long sequence) {
            byte[] body = bodies.remove(sequence);
            if (body != null) {
                bytes -= body.length;
            }
        }
    }
}
