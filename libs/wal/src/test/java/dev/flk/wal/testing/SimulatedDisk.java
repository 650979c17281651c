// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal.testing;

import dev.flk.wal.files.DiskFullException;
import dev.flk.wal.files.FileOps;
import dev.flk.wal.files.LockLostException;
import dev.flk.wal.files.LogLockedException;
import java.io.ByteArrayOutputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.random.RandomGenerator;
import java.util.zip.GZIPOutputStream;

/**
 * A disk with a page cache, in memory. At a power loss, each block that was written but not forced may be lost, kept or
 * kept in part; changes to the directory survive in order, up to any point after the last forced one. A failed force
 * leaves its blocks in the cache as clean, and later forces report no error. A power loss treats these blocks like
 * blocks that were never forced; if the directory was forced later, it may also fill them with random bytes.
 */
public final class SimulatedDisk implements FileOps {
    private static final int BLOCK = 4096;
    private static final int SECTOR = 512;
    private static final long PLENTY = 1L << 40;

    private final RandomGenerator random;
    private TreeMap<String, Inode> entries = new TreeMap<>();
    private TreeMap<String, Inode> durableEntries = new TreeMap<>();
    private final List<TreeMap<String, Inode>> pendingEntries = new ArrayList<>();
    private boolean locked;
    private int lockNumber;
    private boolean dead;
    private long usableBytes = PLENTY;
    private int epoch;

    /** The number of operations so far; the operation with the number {@code failAt} fails. */
    private long operations;

    private long failAt = -1;
    private Fault fault = Fault.EIO;
    private boolean faultHappened;
    private String forbidden = "";
    private boolean isAside;
    private long asideFailsAt;
    private long meddleAt = -1;
    private Runnable meddling = () -> {};

    /** The way in which an operation fails. */
    public enum Fault {
        EIO,
        ENOSPC,
        /** The process dies before the operation completes. */
        KILL
    }

    /** The death of the process. The log's writer catches it like any error, but all further operations throw it. */
    public static final class Killed extends Error {
        private static final long serialVersionUID = 1;
    }

    private static final class Inode {
        byte[] cached = new byte[0];
        byte[] durable = new byte[0];
        final TreeSet<Integer> dirty = new TreeSet<>();
        /** The blocks whose force failed; {@code reliedOnLater} is set when the directory is forced afterwards. */
        final TreeSet<Integer> unproven = new TreeSet<>();

        boolean reliedOnLater;
    }

    /** Creates an empty disk; {@code random} decides what a power loss leaves. */
    public SimulatedDisk(RandomGenerator random) {
        this.random = random;
    }

    /** Makes the operation with this number fail; 0 is the next one. */
    public void failOperation(long number, Fault how) {
        failAt = operations + number;
        fault = how;
        faultHappened = false;
    }

    /**
     * Runs {@code what}, which simulates another process, right before the operation with this number; 0 is the next
     * one.
     */
    public void meddleBefore(long number, Runnable what) {
        meddleAt = operations + number;
        meddling = what;
    }

    /** Work that uses the disk. */
    public interface Work {
        void run() throws IOException;
    }

    /**
     * Runs the work of a reader. Its operations are not counted, so that they change no other fault; the one with the
     * number {@code failing} fails, -1 for none.
     */
    public void aside(long failing, Work work) throws IOException {
        isAside = true;
        asideFailsAt = failing;
        try {
            work.run();
        } finally {
            isAside = false;
        }
    }

    /** Cancels the fault that is still to come, and forgets an earlier one. */
    public void failNothing() {
        failAt = -1;
        faultHappened = false;
    }

    /** Returns the number of operations so far. */
    public long operations() {
        return operations;
    }

    /** Returns whether the chosen operation was reached. */
    public boolean faultHappened() {
        return faultHappened;
    }

    /** Simulates a kill of the process: open files and locks are gone, the page cache remains. */
    public void kill() {
        epoch++;
        removeLock();
        dead = false;
        failAt = -1;
    }

    /** Simulates a power loss. */
    public void losePower() {
        kill();
        int kept = pendingEntries.isEmpty() ? 0 : random.nextInt(pendingEntries.size() + 1);
        entries = new TreeMap<>(kept == 0 ? durableEntries : pendingEntries.get(kept - 1));
        durableEntries = new TreeMap<>(entries);
        pendingEntries.clear();
        for (Inode inode : entries.values()) {
            settle(inode);
        }
    }

    private void settle(Inode inode) {
        int size = inode.cached.length == inode.durable.length || random.nextBoolean()
                ? inode.cached.length
                : inode.durable.length;
        byte[] after = Arrays.copyOf(inode.durable, Math.max(size, inode.durable.length));
        for (int block : inode.dirty) {
            copySectors(inode.cached, after, block);
        }
        for (int block : inode.unproven) {
            if (inode.reliedOnLater && random.nextInt(3) == 0) {
                int end = Math.min((block + 1) * BLOCK, after.length);
                for (int i = block * BLOCK; i < end; i++) {
                    after[i] = (byte) random.nextInt();
                }
            } else {
                copySectors(inode.cached, after, block);
            }
        }
        inode.durable = Arrays.copyOf(after, size);
        inode.cached = inode.durable.clone();
        inode.dirty.clear();
        inode.unproven.clear();
    }

    /** Copies all, none or some of a block's sectors to the disk. */
    private void copySectors(byte[] from, byte[] to, int block) {
        int choice = random.nextInt(3);
        for (int at = block * BLOCK; at < Math.min((block + 1) * BLOCK, to.length); at += SECTOR) {
            if (choice == 0 || (choice == 1 && random.nextBoolean())) {
                int end = Math.min(Math.min(at + SECTOR, to.length), from.length);
                if (end > at) {
                    System.arraycopy(from, at, to, at, end - at);
                }
            }
        }
    }

    /** Returns a new disk with a copy of all files as the page cache shows them. */
    public SimulatedDisk copy() {
        SimulatedDisk copy = new SimulatedDisk(random);
        entries.forEach((name, inode) -> copy.put(name, inode.cached.clone()));
        return copy;
    }

    /** Sets a file's content, durably. */
    public void put(String name, byte[] content) {
        Inode inode = new Inode();
        inode.cached = content;
        inode.durable = content.clone();
        entries.put(name, inode);
        durableEntries.put(name, inode);
    }

    /** Returns a file's content as the page cache shows it. */
    public byte[] content(String name) {
        return entries.get(name).cached.clone();
    }

    /** Loses all files, as if the machine had burnt down; the disk is then empty. */
    public void lose() {
        kill();
        entries.clear();
        durableEntries.clear();
        pendingEntries.clear();
        usableBytes = PLENTY;
    }

    /** Renames a file, as another process would. */
    public void moveAway(String name, String to) {
        entries.put(to, entries.remove(name));
        entriesChanged();
    }

    /** Removes a file, as another process would; open handles remain usable. */
    public void remove(String name) {
        entries.remove(name);
        entriesChanged();
    }

    /** Truncates a file to 0 bytes, as another process would. */
    public void empty(String name) {
        entries.get(name).cached = new byte[0];
        entries.get(name).durable = new byte[0];
    }

    /** Rotates a file as logrotate does: renames it, may compress it, and may leave an empty file in its place. */
    public void rotate(String name, boolean compresses, boolean creates) {
        for (int n = 1; ; n++) {
            String rotated = name + "." + n;
            if (!entries.containsKey(rotated) && !entries.containsKey(rotated + ".gz")) {
                byte[] content = content(name);
                moveAway(name, rotated);
                if (compresses) {
                    Inode compressed = new Inode();
                    compressed.cached = gzipped(content);
                    compressed.durable = compressed.cached.clone();
                    entries.put(rotated + ".gz", compressed);
                    entriesChanged();
                    remove(rotated);
                }
                if (creates) {
                    entries.put(name, new Inode());
                    entriesChanged();
                }
                return;
            }
        }
    }

    private static byte[] gzipped(byte[] content) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (GZIPOutputStream gzip = new GZIPOutputStream(bytes)) {
            gzip.write(content);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return bytes.toByteArray();
    }

    /** Makes opening a file fail, as if it belonged to another user. */
    public void forbid(String name) {
        forbidden = name;
    }

    /** Returns the names of all files, sorted. */
    public List<String> names() {
        return List.copyOf(entries.keySet());
    }

    /** Returns whether the process died in an operation; all further operations fail until {@link #kill} is called. */
    public boolean isDead() {
        return dead;
    }

    private void operation(Path file) throws IOException {
        if (dead) {
            throw new Killed();
        }
        if (isAside) {
            if (asideFailsAt-- == 0) {
                throw new IOException("injected: Input/output error of a reader, " + file);
            }
            return;
        }
        if (operations == meddleAt) {
            meddleAt = -1;
            meddling.run();
        }
        if (operations++ == failAt) {
            faultHappened = true;
            switch (fault) {
                case EIO -> throw new IOException("injected: Input/output error, " + file);
                case ENOSPC -> throw new DiskFullException(file, new IOException("injected"));
                case KILL -> {
                    dead = true;
                    throw new Killed();
                }
            }
        }
    }

    private static String name(Path file) {
        return file.getFileName().toString();
    }

    private void entriesChanged() {
        pendingEntries.add(new TreeMap<>(entries));
    }

    @Override
    public void createDirectories(Path directory) throws IOException {
        operation(directory);
    }

    @Override
    public List<String> list(Path directory) throws IOException {
        operation(directory);
        return List.copyOf(entries.keySet());
    }

    @Override
    public OpenFile create(Path file) throws IOException {
        operation(file);
        if (entries.containsKey(name(file))) {
            throw new FileAlreadyExistsException(file.toString());
        }
        entries.put(name(file), new Inode());
        entriesChanged();
        return open(file);
    }

    @Override
    public OpenFile openForWriting(Path file) throws IOException {
        operation(file);
        return open(file);
    }

    @Override
    public OpenFile openForReading(Path file) throws IOException {
        operation(file);
        return open(file);
    }

    private OpenFile open(Path file) throws IOException {
        Inode inode = entries.get(name(file));
        if (inode == null) {
            throw new FileNotFoundException(file.toString());
        }
        if (name(file).equals(forbidden)) {
            throw new AccessDeniedException(file.toString());
        }
        return new Handle(file, inode, epoch);
    }

    @Override
    public void move(Path from, Path to) throws IOException {
        operation(from);
        Inode inode = entries.remove(name(from));
        if (inode == null) {
            throw new FileNotFoundException(from.toString());
        }
        entries.put(name(to), inode);
        entriesChanged();
    }

    @Override
    public void delete(Path file) throws IOException {
        operation(file);
        if (entries.remove(name(file)) == null) {
            throw new FileNotFoundException(file.toString());
        }
        entriesChanged();
    }

    @Override
    public void forceDirectory(Path directory) throws IOException {
        operation(directory);
        durableEntries = new TreeMap<>(entries);
        pendingEntries.clear();
        for (Inode inode : entries.values()) {
            inode.reliedOnLater |= !inode.unproven.isEmpty();
        }
    }

    @Override
    public Optional<FileStatus> status(Path file) throws IOException {
        operation(file);
        return Optional.ofNullable(entries.get(name(file))).map(inode -> new FileStatus(inode, inode.cached.length));
    }

    @Override
    public long usableBytes(Path directory) throws IOException {
        operation(directory);
        return usableBytes;
    }

    /** Sets the free space that the disk reports. */
    public void setUsableBytes(long bytes) {
        usableBytes = bytes;
    }

    @Override
    public Lock lock(Path file, String holder) throws IOException {
        operation(file);
        if (locked) {
            throw new LogLockedException(file, holder);
        }
        locked = true;
        int mine = ++lockNumber;
        return new Lock() {
            @Override
            public void requireHeld() throws IOException {
                operation(file);
                if (mine != lockNumber) {
                    throw new LockLostException(file);
                }
            }

            @Override
            public void close() {
                if (mine == lockNumber) {
                    locked = false;
                }
            }
        };
    }

    /** Removes the lock file while the process that holds the lock still runs. */
    public void removeLock() {
        locked = false;
        lockNumber++;
    }

    /** Replaces the directory with a copy, durably; a process with open files still writes to the old ones. */
    public void replaceByCopy() {
        removeLock();
        durableEntries.clear();
        pendingEntries.clear();
        names().forEach(name -> put(name, content(name)));
    }

    private final class Handle implements OpenFile {
        private final Path file;
        private final Inode inode;
        private final int openedIn;

        Handle(Path file, Inode inode, int openedIn) {
            this.file = file;
            this.inode = inode;
            this.openedIn = openedIn;
        }

        private void check() throws IOException {
            if (openedIn != epoch) {
                throw new IllegalStateException("a file of a dead process is used: " + file);
            }
            operation(file);
        }

        @Override
        public int read(ByteBuffer target, long position) throws IOException {
            check();
            if (position >= inode.cached.length) {
                return -1;
            }
            int n = (int) Math.min(target.remaining(), inode.cached.length - position);
            target.put(inode.cached, (int) position, n);
            return n;
        }

        @Override
        public void write(ByteBuffer source, long position) throws IOException {
            int complete = source.remaining();
            try {
                check();
            } catch (IOException | Killed e) {
                put(source, position, random.nextInt(complete + 1)); // a part of the data is written
                throw e;
            }
            put(source, position, complete);
        }

        private void put(ByteBuffer source, long position, int bytes) {
            int end = (int) position + bytes;
            if (end > inode.cached.length) {
                inode.cached = Arrays.copyOf(inode.cached, end);
            }
            source.get(inode.cached, (int) position, bytes);
            for (int block = (int) position / BLOCK; block * BLOCK < end; block++) {
                inode.dirty.add(block);
            }
        }

        @Override
        public void force() throws IOException {
            try {
                check();
            } catch (IOException e) {
                inode.unproven.addAll(inode.dirty); // the cache treats these blocks as clean from now on
                inode.dirty.clear();
                inode.reliedOnLater = false;
                throw e;
            }
            byte[] durable = Arrays.copyOf(inode.durable, inode.cached.length);
            for (int block : inode.dirty) {
                int from = block * BLOCK;
                int to = Math.min(from + BLOCK, inode.cached.length);
                if (to > from) {
                    System.arraycopy(inode.cached, from, durable, from, to - from);
                }
            }
            inode.dirty.clear();
            inode.durable = durable;
        }

        @Override
        public void truncate(long size) throws IOException {
            check();
            if (size < inode.cached.length) {
                inode.cached = Arrays.copyOf(inode.cached, (int) size);
                inode.dirty.add((int) size / BLOCK);
            }
        }

        @Override
        public long size() throws IOException {
            check();
            return inode.cached.length;
        }

        @Override
        public void close() {}
    }
}
