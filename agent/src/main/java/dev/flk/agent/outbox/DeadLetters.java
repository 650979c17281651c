// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.agent.outbox.DeadLetterFile.NotDeadLetters;
import dev.flk.agent.outbox.OutboxRecords.Name;
import dev.flk.agent.outbox.certificate.CertificateLimit;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.files.RegularFile;
import dev.flk.wal.files.DiskFiles;
import dev.flk.wal.files.FileOps;
import dev.flk.wal.files.FileOps.FileStatus;
import dev.flk.wal.files.FileOps.OpenFile;
import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
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
 * The file of the certificates that the agent has given up. Each line is a {@link DeadLetter}; the lines are in the
 * order in which the certificates were given up. When {@link #add} returns, the new line is on disk; the caller must
 * not settle the entry of the outbox before {@link #add} has returned. The process that owns the outbox also owns this
 * file. Safe for several threads; while dead letters are requeued or purged, all calls except {@link #count} and {@link
 * #countInFile} wait.
 */
public final class DeadLetters implements Closeable {
    private static final Logger LOG = LoggerFactory.getLogger(DeadLetters.class);
    private static final int PORTION_BYTES = 1 << 20;

    private final FileOps files;
    private final Path path;
    private final Path directory;
    private final Outbox outbox;
    private OpenFile file;
    private volatile Known known;
    /**
     * Whether the file may have an incomplete line after {@code known.bytes()}, which must be removed before the next
     * write.
     */
    private boolean torn;

    /** The state of the file after the last operation of this object. */
    private record Known(Object identity, long bytes, int letters) {
        boolean isSameFile(Optional<FileStatus> status) {
            return status.filter(found -> found.identity().equals(identity)).isPresent();
        }
    }

    private DeadLetters(FileOps files, Path path, Outbox outbox) throws IOException {
        this.files = files;
        // uses the target of a link, because a rewrite would replace the link itself
        this.path = Files.isSymbolicLink(path) ? path.toRealPath() : path;
        this.directory = Objects.requireNonNullElse(this.path.getParent(), Path.of("."));
        this.outbox = outbox;
        files.createDirectories(directory);
        file = openExisting();
        try {
            known = completed(file);
            settleKnown();
        } catch (IOException | RuntimeException e) {
            file.close();
            throw e;
        }
    }

    /**
     * Opens the file, or creates it. Finishes operations that a crash has interrupted: removes an incomplete last line,
     * settles the pending entries whose dead letters are in the file, and removes the dead letters that were requeued.
     *
     * @throws InvalidConfig if the first line, an unterminated last line or the length of a line shows that the file
     *     does not contain dead letters; the file is left unchanged
     */
    public static DeadLetters open(Path path, Outbox outbox) throws IOException {
        return open(path, outbox, new DiskFiles());
    }

    static DeadLetters open(Path path, Outbox outbox, FileOps files) throws IOException {
        DeadLetterFile.requireFile(path);
        try {
            return new DeadLetters(files, path, outbox);
        } catch (NotDeadLetters e) {
            throw new InvalidConfig(List.of("DLQ_PATH: " + e.getMessage()));
        }
    }

    private OpenFile openExisting() throws IOException {
        RegularFile.requireOrNothing(path);
        return files.status(path).isPresent() ? files.openForWriting(path) : files.create(path);
    }

    /**
     * Repairs the end of a file after a crash or an edit by hand, and forces the file to disk. Removes an incomplete
     * dead letter at the end; if a crash interrupted its writing, its certificate is still in the outbox, because the
     * entry was not settled yet. Adds the line end to a complete dead letter that lacks it.
     */
    private Known completed(OpenFile opened) throws IOException {
        DeadLetterFile lines = new DeadLetterFile(path, opened);
        lines.forEach(any -> true, letter -> {});
        byte[] rest = lines.rest();
        boolean isLetter = DeadLetterFile.letterIn(rest).isPresent();
        if (isLetter) {
            opened.write(ByteBuffer.wrap(new byte[] {'\n'}), opened.size());
        } else if (!DeadLetterFile.mayBeCut(rest)) {
            throw new NotDeadLetters("last line", path);
        } else if (rest.length > 0) {
            LOG.warn(
                    "{}: the last line was incomplete and was removed; if a crash interrupted its writing, the outbox"
                            + " still has the certificate",
                    path);
            opened.truncate(opened.size() - rest.length);
        }
        opened.force();
        files.forceDirectory(directory);
        return known(lines.letters() + (isLetter ? 1 : 0));
    }

    private Known known(int letters) throws IOException {
        FileStatus status = files.status(path).orElseThrow(() -> new NoSuchFileException(path.toString()));
        return new Known(status.identity(), status.bytes(), letters);
    }

    /**
     * Appends a dead letter and blocks until it is on disk. If the disk fails, removes the incomplete line; if the
     * removal fails as well, the next operation removes the incomplete line.
     */
    public synchronized void add(DeadLetter letter) throws IOException {
        followChanges();
        torn = true;
        try {
            file.write(withEnd(letter.line()), known.bytes());
            file.force();
            known = new Known(known.identity(), known.bytes() + letter.line().length + 1, known.letters() + 1);
            torn = false;
        } catch (IOException e) {
            try {
                cutTorn();
            } catch (IOException again) {
                e.addSuppressed(again);
            }
            throw e;
        }
    }

    /**
     * Follows changes by other programs. If the file was moved away, for example by logrotate, opens the new file at
     * the path, or creates it. Otherwise, removes the incomplete line that a failed write of this object may have left.
     * If another program has changed the length of the file, checks and repairs the file again.
     */
    private void followChanges() throws IOException {
        if (!known.isSameFile(files.status(path))) {
            OpenFile opened = openExisting();
            try {
                use(opened, completed(opened));
            } catch (IOException | RuntimeException e) {
                if (file != opened) {
                    opened.close();
                }
                throw e;
            }
            return;
        }
        cutTorn();
        if (file.size() != known.bytes()) {
            known = completed(file);
        }
    }

    private void use(OpenFile opened, Known now) throws IOException {
        OpenFile left = file;
        file = opened;
        known = now;
        torn = false;
        left.close();
    }

    private static ByteBuffer withEnd(byte[] line) {
        return ByteBuffer.allocate(line.length + 1).put(line).put((byte) '\n').flip();
    }

    private void cutTorn() throws IOException {
        if (torn) {
            file.truncate(known.bytes());
            torn = false;
        }
    }

    /**
     * Returns the number of dead letters in the file after the last operation of this object. Does not access the disk.
     */
    public int count() {
        return known.letters();
    }

    /**
     * Returns the number of dead letters in the file. Reads the file again if another program has replaced the file or
     * changed its length.
     */
    public int countInFile() throws IOException {
        Known last = known;
        Optional<FileStatus> now = files.status(path);
        boolean unchanged = last.isSameFile(now)
                && now.filter(status -> status.bytes() == last.bytes()).isPresent();
        return unchanged ? last.letters() : DeadLetterFile.count(path);
    }

    /**
     * Adds the certificates of the selected dead letters to the outbox again, and removes these dead letters from the
     * file. Dead letters that were requeued earlier, but are still in the file, are not requeued again; they are
     * removed from the file even if they are not selected. Damaged dead letters, and those whose certificates are too
     * long to be parsed, stay in the file.
     *
     * @return the number of requeued dead letters
     * @throws IOException if the certificate of a selected dead letter is too long; the others are requeued
     * @throws OutboxFull if the outbox has no room for all selected dead letters. The dead letters for which the outbox
     *     had room are requeued and removed from the file
     */
    public synchronized int requeue(Predicate<DeadLetter> which) throws IOException {
        Set<Name> done = new HashSet<>();
        List<DeadLetter> portion = new ArrayList<>();
        long bytes = 0;
        String tooLong = "";
        DeadLetterFile lines = lines();
        try {
            for (DeadLetter letter = lines.next(which); letter != null; letter = lines.next(which)) {
                if (letter.isDamaged()) {
                    continue;
                }
                if (letter.certificate().length > CertificateLimit.BYTES) {
                    tooLong = "the certificate of the dead letter " + letter.sequence() + " "
                            + CertificateLimit.tooLong(letter.certificate().length) + "; raise -Xmx to requeue it";
                } else if (!outbox.wasRequeued(letter.name()) && done.add(letter.name())) {
                    portion.add(letter);
                    bytes += letter.certificate().length;
                }
                if (bytes >= PORTION_BYTES) {
                    requeue(portion);
                    bytes = 0;
                }
            }
            requeue(portion);
            lines.logDamaged();
        } finally {
            removeRequeued();
        }
        if (!tooLong.isEmpty()) {
            throw new IOException(ErrorMessages.count(done.size(), "dead letter") + " requeued, but " + tooLong);
        }
        return done.size();
    }

    private void requeue(List<DeadLetter> portion) throws IOException {
        outbox.await(outbox.requeue(List.copyOf(portion)));
        portion.clear();
    }

    private DeadLetterFile lines() throws IOException {
        followChanges();
        return new DeadLetterFile(path, file);
    }

    private void removeRequeued() throws IOException {
        rewriteWithout(outbox::wasRequeued);
        outbox.forgetRequeued();
    }

    /**
     * Removes the selected dead letters permanently, except damaged ones. Returns the number of removed dead letters.
     */
    public synchronized int purge(Predicate<DeadLetter> which) throws IOException {
        Set<Name> names = new HashSet<>();
        DeadLetterFile lines = lines();
        lines.forEach(which, letter -> {
            if (!letter.isDamaged()) {
                names.add(letter.name());
            }
        });
        lines.logDamaged();
        rewriteWithout(names::contains);
        return names.size();
    }

    /**
     * Settles the pending entries whose dead letters are in the file, and removes the dead letters that were requeued.
     */
    private void settleKnown() throws IOException {
        boolean requeued = false;
        DeadLetterFile lines = lines();
        for (DeadLetter letter = lines.next(any -> true); letter != null; letter = lines.next(any -> true)) {
            if (!letter.isDamaged()) {
                requeued |= outbox.wasRequeued(letter.name());
                outbox.settleIfPending(letter.name());
            }
        }
        lines.logDamaged();
        if (requeued) {
            removeRequeued();
        }
        outbox.forgetRequeued();
    }

    /**
     * Replaces the file with a copy that omits the dead letters whose names satisfy {@code gone}. The copy is
     * completely on disk before it is renamed to the name of the file.
     */
    private void rewriteWithout(Predicate<Name> gone) throws IOException {
        Path next = directory.resolve(path.getFileName() + ".next");
        RegularFile.requireOrNothing(next, LinkOption.NOFOLLOW_LINKS);
        if (files.status(next).isPresent()) {
            try (OpenFile left = files.openForReading(next)) {
                byte[] unused = new DeadLetterFile(next, left).nextLine();
            }
            files.delete(next); // removes the copy that an interrupted rewrite has left
        }
        OpenFile target = files.create(next);
        int kept = 0;
        try {
            long end = 0;
            DeadLetterFile lines = new DeadLetterFile(path, file);
            for (byte[] line = lines.nextLine(); line != null; line = lines.nextLine()) {
                // keeps damaged dead letters, whose names may be those of others, and lines that a person added
                Optional<DeadLetter> letter = DeadLetterFile.letterIn(line);
                if (letter.filter(one -> !one.isDamaged() && gone.test(one.name()))
                        .isEmpty()) {
                    target.write(withEnd(line), end);
                    end += line.length + 1;
                    kept += letter.isPresent() ? 1 : 0;
                }
            }
            target.force();
            if (!known.isSameFile(files.status(path))) {
                throw new IOException(path + " was moved away while it was being rewritten; run the command again");
            }
            files.move(next, path);
            files.forceDirectory(directory);
        } catch (IOException | RuntimeException e) {
            target.close();
            throw e;
        }
        use(target, known(kept));
    }

    @Override
    public synchronized void close() throws IOException {
        file.close();
    }
}
