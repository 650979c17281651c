// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.wal.FileOps;
import dev.flk.wal.LogInspector;
import dev.flk.wal.LogReader.LogWalk;
import dev.flk.wal.LogRecord;
import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.NavigableSet;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Reads certificates back from the log by the sequences of their records. Goes on where it stands, so that a backlog is read once from
 * its beginning to its end. One thread at a time.
 */
final class Certificates implements Closeable {
    /** Beyond this many sequences it is cheaper to look a record up anew than to read on. */
    private static final long READ_ON = 4096;

    private final LogInspector log;
    private @Nullable LogWalk walk;
    /** The sequence that the walk comes to next. */
    private long next;

    Certificates(FileOps files, Path directory) {
        log = new LogInspector(files, directory, OutboxRecords.PREFIX);
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
                close(); // it begins anew, wherever it stood
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
}
