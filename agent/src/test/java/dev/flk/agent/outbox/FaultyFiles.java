// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.wal.DiskFiles;
import dev.flk.wal.FileOps;
import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;

/** The real disk, until it is told to fail: then no force succeeds. */
final class FaultyFiles implements FileOps {
    private final FileOps disk = new DiskFiles();
    volatile boolean failing;

    @Override
    public void createDirectories(Path directory) throws IOException {
        disk.createDirectories(directory);
    }

    @Override
    public List<String> list(Path directory) throws IOException {
        return disk.list(directory);
    }

    @Override
    public OpenFile create(Path file) throws IOException {
        return new Handle(disk.create(file));
    }

    @Override
    public OpenFile openForWriting(Path file) throws IOException {
        return new Handle(disk.openForWriting(file));
    }

    @Override
    public OpenFile openForReading(Path file) throws IOException {
        return disk.openForReading(file);
    }

    @Override
    public void move(Path from, Path to) throws IOException {
        disk.move(from, to);
    }

    @Override
    public void delete(Path file) throws IOException {
        disk.delete(file);
    }

    @Override
    public void forceDirectory(Path directory) throws IOException {
        disk.forceDirectory(directory);
    }

    @Override
    public Closeable lock(Path file, String holder) throws IOException {
        return disk.lock(file, holder);
    }

    private final class Handle implements OpenFile {
        private final OpenFile file;

        Handle(OpenFile file) {
            this.file = file;
        }

        @Override
        public int read(ByteBuffer target, long position) throws IOException {
            return file.read(target, position);
        }

        @Override
        public void write(ByteBuffer source, long position) throws IOException {
            file.write(source, position);
        }

        @Override
        public void force() throws IOException {
            if (failing) {
                throw new IOException("Input/output error");
            }
            file.force();
        }

        @Override
        public void truncate(long size) throws IOException {
            file.truncate(size);
        }

        @Override
        public long size() throws IOException {
            return file.size();
        }

        @Override
        public void close() throws IOException {
            file.close();
        }
    }
}
