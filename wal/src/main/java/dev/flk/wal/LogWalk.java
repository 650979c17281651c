// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.Damage.OnDamage;
import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Goes through a log that its owner may be changing: a segment that is replaced or removed under it makes it list the
 * directory again and go on where it was. It goes on behind damage, and changes nothing. One thread.
 */
public final class LogWalk implements Closeable {
    private final FileOps files;
    private final Path directory;
    private final String prefix;
    private final Set<Damage> damages = new LinkedHashSet<>();
    private long from;
    private @Nullable LogReader reader;

    LogWalk(FileOps files, Path directory, String prefix, long from) {
        this.files = files;
        this.directory = directory;
        this.prefix = prefix;
        this.from = from;
    }

    /** The next record; null at the end of the log, as it was when the directory was listed last. */
    public @Nullable LogRecord next() throws IOException {
        LogRecord record = Vanished.retry(() -> Optional.ofNullable(read())).orElse(null);
        if (record != null) {
            from = record.sequence() + 1;
        }
        return record;
    }

    private @Nullable LogRecord read() throws IOException {
        LogReader current = reader;
        if (current == null) {
            current = LogReader.open(files, directory, prefix, from, OnDamage.SKIP);
            reader = current;
        }
        try {
            return current.next();
        } catch (IOException e) {
            close(); // another listing may tell more
            throw e;
        }
    }

    /** What was met as missing so far, in the order of the log. */
    public List<Damage> damages() {
        Set<Damage> all = new LinkedHashSet<>(damages);
        if (reader != null) {
            all.addAll(reader.damages());
        }
        return List.copyOf(all);
    }

    /** Where the log ends unfinished, once the end was reached; null if it does not. */
    @Nullable
    TornTail tornTail() {
        return reader == null ? null : reader.tornTail();
    }

    @Override
    public void close() throws IOException {
        LogReader left = reader;
        if (left != null) {
            damages.addAll(left.damages());
            reader = null;
            left.close();
        }
    }
}
