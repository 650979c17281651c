// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal.files;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** File operations that forward every call to other file operations. Subclasses override some of the methods. */
public abstract class ForwardingFiles implements FileOps {
    private final FileOps files;

    /** @param files the file operations that carry out everything that a subclass does not override */
    protected ForwardingFiles(FileOps files) {
        this.files = files;
    }

    @Override
    public void createDirectories(Path directory) throws IOException {
        files.createDirectories(directory);
    }

    @Override
    public List<String> list(Path directory) throws IOException {
        return files.list(directory);
    }

    @Override
    public OpenFile create(Path file) throws IOException {
        return files.create(file);
    }

    @Override
    public OpenFile openForWriting(Path file) throws IOException {
        return files.openForWriting(file);
    }

    @Override
    public OpenFile openForReading(Path file) throws IOException {
        return files.openForReading(file);
    }

    @Override
    public void move(Path from, Path to) throws IOException {
        files.move(from, to);
    }

    @Override
    public void delete(Path file) throws IOException {
        files.delete(file);
    }

    @Override
    public void forceDirectory(Path directory) throws IOException {
        files.forceDirectory(directory);
    }

    @Override
    public Optional<FileStatus> status(Path file) throws IOException {
        return files.status(file);
    }

    @Override
    public long usableBytes(Path directory) throws IOException {
        return files.usableBytes(directory);
    }

    @Override
    public Lock lock(Path file, String holder) throws IOException {
        return files.lock(file, holder);
    }

    /** An open file that forwards every call to another open file. */
    public abstract static class ForwardingFile implements OpenFile {
        private final OpenFile file;

        /** @param file the file that carries out everything that a subclass does not override */
        protected ForwardingFile(OpenFile file) {
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
