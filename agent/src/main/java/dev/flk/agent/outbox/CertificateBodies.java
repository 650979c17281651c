// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.agent.outbox.certificate.CertificateLimit;
import dev.flk.wal.LogInspector;
import dev.flk.wal.files.FileOps;
import dev.flk.wal.segment.LogReader.LogWalk;
import dev.flk.wal.segment.LogRecord;
import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableSet;
import java.util.Objects;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * The certificates of the outbox's entries. New certificates are kept in memory, up to a limit; the other certificates
 * are read from the log. A read continues where the previous read ended if the wanted record follows closely; a backlog
 * that is sent in order is therefore read only once. Safe for several threads; a lookup in memory never waits for the
 * disk.
 */
final class CertificateBodies implements Closeable {
    /**
     * The distance, in sequences, within which a wanted record is reached by reading all records before it. A record
     * further ahead is reached faster by a new search.
     */
    private static final long READ_ON = 4096;

    private static final long MAX_KEPT_BYTES = CertificateLimit.BYTES;

    private final LogInspector log;
    private final Pending pending;
    /** The certificates in memory, by sequence. */
    private final Map<Long, byte[]> kept = new ConcurrentHashMap<>();

    private final AtomicLong keptBytes = new AtomicLong();
    private @Nullable LogWalk walk;
    /** The sequence of the record that {@link #walk} is expected to return next. */
    private long next;

    CertificateBodies(FileOps files, Path directory, Pending pending) {
        this.pending = pending;
        log = new LogInspector(files, directory, OutboxRecords.PREFIX);
    }

    /** Keeps a certificate in memory, unless the kept certificates would exceed {@link #MAX_KEPT_BYTES}. */
    void keep(long sequence, byte[] body) {
        if (keptBytes.get() + body.length <= MAX_KEPT_BYTES && kept.putIfAbsent(sequence, body) == null) {
            keptBytes.addAndGet(body.length);
        }
    }

    void forget(long sequence) {
        byte[] body = kept.remove(sequence);
        if (body != null) {
            keptBytes.addAndGet(-body.length);
        }
    }

    /**
     * Returns the certificates of these entries by sequence. The map has no value for a certificate that the disk has
     * lost.
     */
    Map<Long, byte[]> of(List<OutboxEntry> entries) throws IOException {
        Map<Long, byte[]> found = new HashMap<>();
        List<OutboxEntry> missing = new ArrayList<>();
        for (OutboxEntry entry : entries) {
            byte[] body = kept.get(entry.sequence());
            if (body == null) {
                missing.add(entry);
            } else {
                found.put(entry.sequence(), body);
            }
        }
        Map<Long, Long> before = Map.of();
        Map<Long, Long> wanted = locate(missing);
        while (!wanted.isEmpty() && !wanted.equals(before)) {
            read(wanted, found);
            // looks for the missing certificates again: compaction may have moved these certificates while their old
            // locations were read
            missing.removeIf(entry -> found.containsKey(entry.sequence()));
            before = wanted;
            wanted = locate(missing);
            if (wanted.equals(before) && !wanted.isEmpty()) {
                close(); // reads again from a new listing of the directory: the old listing may lack a renamed file
                read(wanted, found);
            }
        }
        return found;
    }

    /** Returns a map from the location of each entry's certificate to the sequence of the entry. */
    private Map<Long, Long> locate(List<OutboxEntry> entries) {
        Map<Long, Long> located = new HashMap<>();
        entries.forEach(entry -> located.put(pending.location(entry.sequence()), entry.sequence()));
        return located;
    }

    private void read(Map<Long, Long> located, Map<Long, byte[]> found) throws IOException {
        read(located.keySet())
                .forEach((location, body) -> found.put(Objects.requireNonNull(located.get(location)), body));
    }

    /**
     * Returns the certificates at these locations, by location. A location is the sequence of the record that contains
     * the certificate. The map has no value for a certificate that the disk has lost.
     */
    synchronized Map<Long, byte[]> read(Iterable<Long> locations) throws IOException {
        NavigableSet<Long> wanted = new TreeSet<>();
        locations.forEach(wanted::add);
        Map<Long, byte[]> found = new HashMap<>();
        while (!wanted.isEmpty()) {
            try {
                readOn(wanted, found);
            } catch (IOException e) {
                close(); // the next read opens the log again
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
                    wanted.clear(); // the log ends before these records
                }
                return;
            }
            next = record.sequence() + 1;
            wanted.headSet(record.sequence()).clear(); // gives up the records that the log has skipped: they are lost
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
}
