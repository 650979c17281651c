// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.agent.outbox.OutboxRecords.Name;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.files.RegularFile;
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
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The file of the certificates that the agent has given up, with one {@link DeadLetter} for each, in order. A line is
 * on disk when {@link #add} returns; only then may its entry be settled. The process that owns the outbox owns the
 * file. Safe for several threads; other calls wait while letters are requeued or purged.
 */
public final class DeadLetters implements Closeable {
    private static final Logger LOG = LoggerFactory.getLogger(DeadLetters.class);
    private static final long NOT_TORN = -1;
    private static final int PORTION_BYTES = 1 << 20;
    /** The first bytes of every letter. */
    private static final byte[] BEGINNING = "{\"when\":\"".getBytes(StandardCharsets.US_ASCII);

    private final FileOps files;
    private final Path path;
    private final Path directory;
    private final Outbox outbox;
    private OpenFile file;
    private Object identity;
    private volatile int count;
    /** The offset of an incomplete line that could not be removed yet. */
    private long tornFrom = NOT_TORN;

    private DeadLetters(FileOps files, Path path, Outbox outbox) throws IOException {
        this.files = files;
        this.path = path;
        this.directory = Objects.requireNonNullElse(path.getParent(), Path.of("."));
        this.outbox = outbox;
        files.createDirectories(directory);
        file = openCompleted();
        try {
            identity = status();
            settleKnown();
        } catch (IOException | RuntimeException e) {
            file.close();
            throw e;
        }
    }

    /**
     * Opens the file, makes it end after a complete line, and finishes what a crash interrupted: settles the entries
     * whose letters are in it, and removes letters that were requeued. An incomplete last line is removed.
     *
     * @throws InvalidConfig if the file does not contain dead letters; it is left unchanged
     */
    public static DeadLetters open(Path path, Outbox outbox) throws IOException {
        return open(path, outbox, new DiskFiles());
    }

    static DeadLetters open(Path path, Outbox outbox, FileOps files) throws IOException {
        DeadLetterFile.requireFile(path);
        try {
            return new DeadLetters(files, path, outbox);
        } catch (NotOurs e) {
            throw new InvalidConfig(List.of("DLQ_PATH: " + e.getMessage()));
        }
    }

    /** Opens or creates the file, and makes it end after a complete line. */
    private OpenFile openCompleted() throws IOException {
        RegularFile.requireOrNothing(path);
        OpenFile opened = files.status(path).isPresent() ? files.openForWriting(path) : files.create(path);
        try {
            count = completeLastLine(opened);
            opened.force();
            files.forceDirectory(directory);
            return opened;
        } catch (IOException | RuntimeException e) {
            opened.close();
            throw e;
        }
    }

    /**
     * Repairs the end of the file after a crash or an edit by hand: removes an incomplete letter, whose entry was not
     * settled, and adds the line end that a complete letter lacks. Returns the number of lines after the repair.
     */
    private int completeLastLine(OpenFile opened) throws IOException {
        int[] lines = new int[1];
        byte[] rest = DeadLetterFile.linesAndRest(opened, line -> lines[0]++);
        long end = opened.size();
        if (letterIn(rest).isPresent()) {
            opened.write(ByteBuffer.wrap(new byte[] {'\n'}), end);
            return lines[0] + 1;
        }
        for (int i = 0; i < Math.min(rest.length, BEGINNING.length); i++) {
            // a crash may leave zeros in place of data that was not written
            if (rest[i] != 0 && rest[i] != BEGINNING[i]) {
                throw new NotOurs(
                        "the last line of " + path + " is not a dead letter; name another file, or move this one away");
            }
        }
        if (rest.length > 0) {
            LOG.warn("{}: a crash has cut the last line, it is removed; its certificate is still in the outbox", path);
            opened.truncate(end - rest.length);
        }
        return lines[0];
    }

    private static Optional<DeadLetter> letterIn(byte[] line) {
        try {
            return Optional.of(DeadLetter.decode(line));
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    private Object status() throws IOException {
        return files.status(path).map(FileOps.FileStatus::identity).orElse("");
    }

    /**
     * Appends a letter and blocks until it is on disk. On failure removes the incomplete line; if that fails, too, the
     * next call removes it.
     */
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

    /** Opens the file that has the path now if logrotate, for example, has moved the previous one away. */
    private void followRotation() throws IOException {
        if (!status().equals(identity)) {
            use(openCompleted());
        }
    }

    private void use(OpenFile opened) throws IOException {
        OpenFile left = file;
        file = opened;
        identity = status();
        tornFrom = NOT_TORN;
        left.close();
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

    /** Returns the number of lines in the file. */
    public int count() {
        return count;
    }

    /**
     * Adds letters to the outbox again, and removes them from the file. A letter that was already requeued is only
     * removed.
     *
     * @return the number of requeued letters
     * @throws OutboxFull if there is no room for all of them; those that fit are requeued and removed
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
            removeRequeued();
        }
        return requeued[0];
    }

    private int requeue(List<DeadLetter> portion) throws IOException {
        outbox.await(outbox.requeue(List.copyOf(portion)));
        return portion.size();
    }

    private void removeRequeued() throws IOException {
        rewriteWithout(outbox::wasRequeued);
        outbox.requeuedAreOut();
    }

    /** Removes letters permanently and returns their number. */
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
        DeadLetterFile.letters(path, file, letters);
    }

    /** Settles the entries whose letters are in the file, and removes the letters that were requeued. */
    private void settleKnown() throws IOException {
        boolean[] requeued = new boolean[1];
        letters(letter -> {
            requeued[0] |= outbox.wasRequeued(letter.name());
            outbox.settleIfPending(letter.name());
        });
        if (requeued[0]) {
            removeRequeued();
        }
        outbox.requeuedAreOut();
    }

    /** Replaces the file with a copy without these letters, which is complete and on disk before the rename. */
    private void rewriteWithout(Predicate<Name> gone) throws IOException {
        Path next = directory.resolve(path.getFileName() + ".next");
        RegularFile.requireOrNothing(next, LinkOption.NOFOLLOW_LINKS);
        if (files.status(next).isPresent()) {
            files.delete(next); // left by a crash
        }
        OpenFile target = files.create(next);
        int[] kept = new int[1];
        try {
            long[] end = new long[1];
            DeadLetterFile.lines(file, line -> {
                // lines that are not letters were not written by an agent, and are kept
                if (letterIn(line).filter(letter -> gone.test(letter.name())).isEmpty()) {
                    target.write(withEnd(line), end[0]);
                    end[0] += line.length + 1;
                    kept[0]++;
                }
            });
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
        use(target);
        count = kept[0];
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
}
