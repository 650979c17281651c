// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy;

import dev.flk.copy.CopyRecord.Segment;
import dev.flk.wal.files.FileOps;
import dev.flk.wal.files.FileOps.OpenFile;
import dev.flk.wal.segment.SegmentNames;
import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A directory that receives a copy in the form of an archive. What it contains need not survive a kill. One thread. */
final class CopyArchive implements CopyChain.Sink, Closeable {
    private final FileOps files;
    private final Path archive;
    private @Nullable Segment current;
    private @Nullable OpenFile open;
    private long bytes;

    /** @param archive an empty directory */
    CopyArchive(FileOps files, Path archive) {
        this.files = files;
        this.archive = archive;
    }

    @Override
    public void bytes(Segment segment, long offset, byte[] part) throws IOException {
        OpenFile file = open;
        if (file == null || !segment.equals(current)) {
            close();
            String stem = segment.name().substring(0, segment.name().length() - SegmentNames.SUFFIX.length());
            Path target = archive.resolve(stem + "-" + segment.id() + SegmentNames.SUFFIX);
            file = files.status(target).isPresent() ? files.openForWriting(target) : files.create(target);
            open = file;
            current = segment;
        }
        file.write(ByteBuffer.wrap(part), offset);
        bytes += part.length;
    }

    /** Writes the other files of the log, after the segments. */
    void writeAttachments(CopyChain all) throws IOException {
        close();
        String last = all.segments().lastEntry().getValue().segment().id();
        for (Map.Entry<String, byte[]> file : all.attachments().entrySet()) {
            try (OpenFile target = files.create(archive.resolve(file.getKey() + "-" + last))) {
                target.write(ByteBuffer.wrap(file.getValue()), 0);
            }
        }
    }

    /** Returns the number of bytes of segments that were written. */
    long bytes() {
        return bytes;
    }

    @Override
    public void close() throws IOException {
        OpenFile file = open;
        open = null;
        if (file != null) {
            file.close();
        }
    }
}
