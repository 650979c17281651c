// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy;

import dev.flk.copy.CopyRecord.Segment;
import dev.flk.wal.Log;
import dev.flk.wal.Log.Active;
import dev.flk.wal.files.FileOps;
import dev.flk.wal.files.FileOps.OpenFile;
import dev.flk.wal.segment.SegmentBytes.GzippedFile;
import dev.flk.wal.segment.SegmentHeader;
import dev.flk.wal.segment.SegmentList;
import dev.flk.wal.segment.SegmentList.Listed;
import dev.flk.wal.segment.SegmentNames;
import dev.flk.wal.segment.Vanished;
import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * An open log as its copy reads it. The files are looked for by the ids of their segments, so they may be renamed and
 * compressed meanwhile. One thread.
 */
public final class LogSource implements CopySource, Closeable {
    private final FileOps files;
    private final Log log;
    private final String prefix;
    private final Predicate<String> isAttached;

    /** The names of the files by the ids of their segments, as they were listed last. */
    private final Map<String, String> names = new HashMap<>();

    private String openId = "";
    private @Nullable OpenFile open;

    /** @param isAttached whether a file with this name is copied besides the segments */
    public LogSource(FileOps files, Log log, String prefix, Predicate<String> isAttached) {
        this.files = files;
        this.log = log;
        this.prefix = prefix;
        this.isAttached = isAttached;
    }

    @Override
    public List<Written> from(long ordinal) throws IOException {
        Active active = log.active();
        SegmentHeader newest = active.header();
        List<Written> written = new ArrayList<>();
        if (newest.ordinal() > ordinal) {
            SegmentList list = list();
            for (int i = 0; i < list.segments().size(); i++) {
                SegmentHeader header = list.segments().get(i).header();
                if (header.ordinal() >= ordinal && header.ordinal() < newest.ordinal()) {
                    String opened =
                            SegmentNames.openedName(list.segments().get(i).name());
                    written.add(new Written(
                            segment(header, opened),
                            header.encode().remaining(),
                            SegmentEnds.of(list, i, newest),
                            true));
                }
            }
        }
        if (newest.ordinal() >= ordinal) {
            names.putIfAbsent(newest.id(), active.name());
            written.add(
                    new Written(segment(newest, active.name()), newest.encode().remaining(), active.end(), false));
        }
        return written;
    }

    private static Segment segment(SegmentHeader header, String openedName) {
        return new Segment(header.id(), header.ordinal(), openedName);
    }

    private SegmentList list() throws IOException {
        SegmentList list = Vanished.retry(() -> SegmentList.read(files, log.directory(), prefix));
        names.clear();
        for (Listed each : list.segments()) {
            names.put(each.header().id(), each.name());
        }
        return list;
    }

    @Override
    public byte[] read(Segment segment, long offset, int length) throws IOException {
        ByteBuffer bytes = opened(segment).readUpTo(offset, length);
        if (bytes.remaining() < length) {
            close(); // perhaps it was truncated in place; the next call looks for a copy
            throw new IOException("segment " + segment.name() + " ends before byte " + (offset + length));
        }
        byte[] read = new byte[length];
        bytes.get(read);
        return read;
    }

    private OpenFile opened(Segment segment) throws IOException {
        if (open != null && openId.equals(segment.id())) {
            return open;
        }
        close();
        OpenFile opened = Vanished.retry(() -> {
            String name = names.get(segment.id());
            if (name == null || files.status(log.directory().resolve(name)).isEmpty()) {
                SegmentList unused = list();
                name = names.get(segment.id());
            }
            if (name == null) {
                throw new NoSuchFileException(segment.name(), null, "no file in the log's directory is this segment");
            }
            Path file = log.directory().resolve(name);
            OpenFile plain = files.openForReading(file);
            return name.endsWith(SegmentNames.GZIP) ? new GzippedFile(plain) : plain;
        });
        open = opened;
        openId = segment.id();
        return opened;
    }

    @Override
    public Map<String, byte[]> attachments() throws IOException {
        Map<String, byte[]> attached = new TreeMap<>();
        for (String name : files.list(log.directory())) {
            if (isAttached.test(name)) {
                try (OpenFile file = files.openForReading(log.directory().resolve(name))) {
                    ByteBuffer content = file.readUpTo(0, (int) Math.min(file.size(), CopyRecord.MAX_PART_BYTES));
                    byte[] bytes = new byte[content.remaining()];
                    content.get(bytes);
                    attached.put(name, bytes);
                }
            }
        }
        return attached;
    }

    @Override
    public void close() throws IOException {
        OpenFile closed = open;
        open = null;
        openId = "";
        if (closed != null) {
            closed.close();
        }
    }
}
