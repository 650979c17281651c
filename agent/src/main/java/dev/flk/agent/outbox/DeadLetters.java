// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import dev.flk.agent.outbox.OutboxRecords.Name;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.files.RegularFile;
import dev.flk.program.logging.LineLimit;
import dev.flk.wal.DiskFiles;
import dev.flk.wal.FileOps;
import dev.flk.wal.FileOps.OpenFile;
import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.function.Predicate;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The file of certificates that are given up, a {@link DeadLetter} each, in the order they were given up. A line is on disk when
 * {@link #add} returns; only then may its entry be settled. Owned by the process that owns the outbox. Safe for several threads; while
 * letters are taken out, the others wait.
 */
public final class DeadLetters implements Closeable {
    private static final Logger LOG = LoggerFactory.getLogger(DeadLetters.class);
    private static final long NOT_TORN = -1;
    private static final int PORTION_BYTES = 1 << 20;

    private final FileOps files;
    private final Path path;
    private final Path directory;
    private final Outbox outbox;
    private final LineLimit limit = LineLimit.ofOutages(System::nanoTime);
    private OpenFile file;
    private Object identity;
    private volatile int count;
    /** Where part of a line may be that could not be removed yet. */
    private long tornFrom = NOT_TORN;

    private DeadLetters(FileOps files, Path path, Path directory, Outbox outbox, OpenFile file) throws IOException {
        this.files = files;
        this.path = path;
        this.directory = directory;
        this.outbox = outbox;
        this.file = file;
        this.identity = status();
        LastLine.makeWhole(path, file);
        file.force();
        files.forceDirectory(directory);
        boolean requeued = settleKnown();
        if (requeued) {
            takeOutRequeued();
        }
        outbox.requeuedAreOut();
    }

    /**
     * Opens the file, makes it end after a whole line, and does what a crash has left undone: settles the entries that are in it, and
     * takes out what was requeued. A last line that was cut off is removed.
     *
     * @throws InvalidConfig if the file is of another kind, and was left alone
     */
    public static DeadLetters open(Path path, Outbox outbox) throws IOException {
        return open(path, outbox, new DiskFiles());
    }

    static DeadLetters open(Path path, Outbox outbox, FileOps files) throws IOException {
        DeadLetterFile.requireFile(path);
        Path directory = Objects.requireNonNullElse(path.getParent(), Path.of("."));
        files.createDirectories(directory);
        OpenFile file = openOrCreate(files, path);
        try {
            return new DeadLetters(files, path, directory, outbox, file);
        } catch (NotOurs e) {
            file.close();
            throw new InvalidConfig(List.of("DLQ_PATH: " + e.getMessage()));
        } catch (IOException | RuntimeException e) {
            file.close();
            throw e;
        }
    }

    private static OpenFile openOrCreate(FileOps files, Path path) throws IOException {
        RegularFile.requireOrNothing(path);
        return files.status(path).isPresent() ? files.openForWriting(path) : files.create(path);
    }

    private Object status() throws IOException {
        return files.status(path).map(FileOps.FileStatus::identity).orElse("");
    }

    /** Adds a line and waits until it is on disk. On failure nothing of it stays, or the next call removes it. */
    public synchronized void add(DeadLetter letter) throws IOException {
        followRotation();
        cutTorn();
        long end = file.size();
        tornFrom = end;
        try {
            file.write(withEnd(letter.line()), end);
            file.force();
            tornFrom = NOT_TORN;
        } catch (IOException e) {
            try {
                cutTorn();
            } catch (IOException again) {
                e.addSuppressed(again);
            }
            throw e;
        }
        count++;
    }

    /** The file may have been moved away, as logrotate does: lines go to the file that has the name. */
    private void followRotation() throws IOException {
        if (status().equals(identity)) {
            return;
        }
        OpenFile opened = openOrCreate(files, path);
        try {
            files.forceDirectory(directory);
            LastLine.makeWhole(path, opened);
        } catch (IOException | RuntimeException e) {
            opened.close();
            throw e;
        }
        take(opened);
        countLines();
    }

    private void take(OpenFile opened) throws IOException {
        OpenFile left = file;
        file = opened;
        identity = status();
        tornFrom = NOT_TORN;
        left.close();
    }

    private void countLines() throws IOException {
        int[] lines = new int[1];
        DeadLetterFile.lines(file, line -> lines[0]++);
        count = lines[0];
    }

    private static ByteBuffer withEnd(byte[] line) {
        return ByteBuffer.allocate(line.length + 1).put(line).put((byte) '\n').flip();
    }

    private void cutTorn() throws IOException {
        if (tornFrom != NOT_TORN) {
            file.truncate(tornFrom);
            tornFrom = NOT_TORN;
        }
    }

    /** Lines in the file. */
    public int count() {
        return count;
    }

    /**
     * Adds letters to the outbox again, and removes them from the file. A letter that was requeued before is only removed.
     *
     * @return how many were requeued
     * @throws OutboxFull if there is no room for all of them: those before were requeued and removed
     */
    public synchronized int requeue(Predicate<DeadLetter> which) throws IOException {
        Set<Name> done = new HashSet<>();
        List<DeadLetter> portion = new ArrayList<>();
        int[] requeued = new int[1];
        long[] bytes = new long[1];
        try {
            letters(letter -> {
                if (which.test(letter) && !outbox.wasRequeued(letter.name()) && done.add(letter.name())) {
                    portion.add(letter);
                    bytes[0] += letter.certificate().length;
                }
                if (bytes[0] >= PORTION_BYTES) {
                    requeued[0] += requeue(portion);
                    portion.clear();
                    bytes[0] = 0;
                }
            });
            requeued[0] += requeue(portion);
        } finally {
            takeOutRequeued();
        }
        return requeued[0];
    }

    private void takeOutRequeued() throws IOException {
        rewriteWithout(outbox::wasRequeued);
        outbox.requeuedAreOut();
    }

    private int requeue(List<DeadLetter> portion) throws IOException {
        outbox.await(outbox.requeue(List.copyOf(portion)));
        return portion.size();
    }

    /** Removes letters for good; how many. */
    public synchronized int purge(Predicate<DeadLetter> which) throws IOException {
        Set<Name> names = new HashSet<>();
        letters(letter -> {
            if (which.test(letter)) {
                names.add(letter.name());
            }
        });
        rewriteWithout(names::contains);
        return names.size();
    }

    private void letters(DeadLetterFile.Letters letters) throws IOException {
        followRotation();
        cutTorn();
        DeadLetterFile.lines(file, line -> {
            DeadLetter letter;
            try {
                letter = DeadLetter.decode(line);
            } catch (IOException e) {
                limit.say(
                        "no letter",
                        leftOut -> LOG.warn(
                                "{} has a line that is no dead letter ({}); it is left there{}",
                                path,
                                e.getMessage(),
                                leftOut));
                return;
            }
            letters.take(letter);
        });
    }

    /** Settles entries that are in the file; whether any letter in it was requeued. */
    private boolean settleKnown() throws IOException {
        boolean[] requeued = new boolean[1];
        letters(letter -> {
            requeued[0] |= outbox.wasRequeued(letter.name());
            outbox.settleIfPending(letter.name());
        });
        countLines();
        return requeued[0];
    }

    /** The new file is whole and on disk before it replaces the old one. */
    private void rewriteWithout(Predicate<Name> gone) throws IOException {
        Path next = directory.resolve(path.getFileName() + ".next");
        RegularFile.requireOrNothing(next, LinkOption.NOFOLLOW_LINKS);
        if (files.status(next).isPresent()) {
            files.delete(next); // a crash left it
        }
        OpenFile target = files.create(next);
        int kept;
        try {
            kept = copyWithout(gone, target);
            target.force();
            if (!status().equals(identity)) {
                throw new IOException(path + " was moved away while it was being rewritten; run the command again");
            }
            files.move(next, path);
            files.forceDirectory(directory);
        } catch (IOException | RuntimeException e) {
            target.close();
            throw e;
        }
        take(target);
        count = kept;
    }

    private int copyWithout(Predicate<Name> gone, OpenFile target) throws IOException {
        long[] end = new long[1];
        int[] kept = new int[1];
        DeadLetterFile.lines(file, line -> {
            if (!isGone(line, gone)) {
                target.write(withEnd(line), end[0]);
                end[0] += line.length + 1;
                kept[0]++;
            }
        });
        return kept[0];
    }

    private static boolean isGone(byte[] line, Predicate<Name> gone) {
        try {
            return gone.test(DeadLetter.decode(line).name());
        } catch (IOException e) {
            return false; // other lines stay: they are not ours
        }
    }

    @Override
    public synchronized void close() throws IOException {
        file.close();
    }

    /** A file whose last line was not written by an agent. */
    private static final class NotOurs extends IOException {
        private static final long serialVersionUID = 1;

        NotOurs(String message) {
            super(message);
        }
    }

    /**
     * Repairs the end of the file after a crash or an editor. Part of a line is cut off: its entry was not settled, so nothing is lost.
     * A whole letter without a line end gets one.
     */
    private static final class LastLine {
        private static final int BLOCK_BYTES = 1 << 16;
        private static final byte[] BEGINNING = "{\"when\":\"".getBytes(StandardCharsets.US_ASCII);

        private LastLine() {}

        /** Makes the file end after a whole line; the caller forces it. */
        static void makeWhole(Path path, OpenFile file) throws IOException {
            long end = file.size();
            long start = startOfLastLine(file, end);
            if (start == end) {
                return;
            }
            byte[] beginning = read(file, start, (int) Math.min(BEGINNING.length, end - start));
            if (beginning[0] == BEGINNING[0] && isObject(read(file, start, Math.toIntExact(end - start)))) {
                file.write(ByteBuffer.wrap(new byte[] {'\n'}), end);
            } else if (!mayBeTorn(beginning)) {
                throw new NotOurs(
                        "the last line of " + path + " is not a dead letter; name another file, or move this one away");
            } else {
                LOG.warn(
                        "{}: a crash has cut the last line, it is removed; its certificate is still in the outbox",
                        path);
                file.truncate(start);
            }
        }

        /** Returns whether a crash can have left this of a letter; data that was not written may be zeros. */
        private static boolean mayBeTorn(byte[] beginning) {
            for (int i = 0; i < beginning.length; i++) {
                if (beginning[i] != 0 && beginning[i] != BEGINNING[i]) {
                    return false;
                }
            }
            return true;
        }

        private static long startOfLastLine(OpenFile file, long end) throws IOException {
            for (long blockEnd = end; blockEnd > 0; ) {
                long start = Math.max(0, blockEnd - BLOCK_BYTES);
                byte[] block = read(file, start, (int) (blockEnd - start));
                for (int i = block.length - 1; i >= 0; i--) {
                    if (block[i] == '\n') {
                        return start + i + 1;
                    }
                }
                blockEnd = start;
            }
            return 0;
        }

        private static byte[] read(OpenFile file, long from, int length) throws IOException {
            byte[] bytes = new byte[length];
            ByteBuffer target = ByteBuffer.wrap(bytes);
            while (target.hasRemaining()) {
                if (file.read(target, from + target.position()) < 0) {
                    throw new IOException("the file of dead letters became shorter while it was read");
                }
            }
            return bytes;
        }

        private static boolean isObject(byte[] line) {
            try (JsonParser json = UnboundedJson.FACTORY.createParser(line)) {
                boolean object = json.nextToken() == JsonToken.START_OBJECT;
                json.skipChildren();
                return object && json.nextToken() == null;
            } catch (IOException e) {
                return false;
            }
        }
    }
}
