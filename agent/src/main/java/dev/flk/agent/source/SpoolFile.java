// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.source;

import dev.flk.agent.outbox.certificate.CertificateLimit;
import dev.flk.program.cli.Printable;
import dev.flk.program.files.ForeignFolder;
import dev.flk.program.logging.LineLimit;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.UUID;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A file of the spool directory with its read position. Each {@link #step} adds a portion of the file to the outbox.
 * After a failed step, the next step adds only the certificates that are not on disk yet. The read position is kept
 * only in memory: after a restart, the file is read from its beginning, and its certificates are sent again. The
 * backend answers the repeated certificates as duplicates. For one thread.
 */
final class SpoolFile {
    /** The progress of a file after a step. */
    enum Progress {
        /** All valid certificates are on disk in the outbox, and the file was removed or renamed. */
        DONE,
        /**
         * The directory must be read again: the file has more to read, or was replaced by another file before its
         * removal.
         */
        MORE,
        /** A producer may still be writing the file. */
        NOT_YET
    }

    private static final Logger LOG = LoggerFactory.getLogger(SpoolFile.class);
    private static final long PORTION_BYTES = 1 << 20;
    /** The prefix of the names of files that are being removed. Producers must not use it. */
    private static final String TAKEN = ".taken-";
    /**
     * The maximum number of code points that a new, unique name keeps from the beginning of a file's old name. With
     * this limit, the new name, including its UUID, has fewer than 255 bytes, the usual maximum of a file system.
     */
    private static final int KEPT = 50;
    /**
     * The maximum number of bytes at the beginning of a file that are compared, so that a later file with the same
     * inode is recognised as another file.
     */
    private static final int BEGINNING_BYTES = 4096;
    /**
     * The time after the last change of a file during which a producer may still be writing the file. Before this time
     * has passed, an invalid text at the end of the file is not rejected.
     */
    private static final Duration STILL_WRITTEN = Duration.ofSeconds(5);

    /** The option not to follow links. A link could lead to a file that the agent can read and the producer can't. */
    private static final LinkOption NO_LINKS = LinkOption.NOFOLLOW_LINKS;

    private final Path path;
    /** The path of the file during its removal. */
    private final Path taken;

    private final ForeignFolder folder;
    private final Intake intake;
    private final InstantSource clock;
    private final LineLimit limit;
    private final Object identity;
    private final Deque<byte[]> good = new ArrayDeque<>();
    private final List<String> bad = new ArrayList<>();
    private long badChars;
    private byte[] beginning = new byte[0];
    private long offset;
    private long line;
    private long added;
    private long refused;
    private boolean tooLong;
    /** Whether reading has ended at a line that is too long; the rest of the file is not read. */
    private boolean givenUp;

    /** @throws java.nio.file.InvalidPathException if the locale of this process cannot express the name of the file */
    SpoolFile(
            Path path,
            ForeignFolder folder,
            BasicFileAttributes found,
            Intake intake,
            InstantSource clock,
            LineLimit limit) {
        this.folder = folder;
        this.limit = limit;
        this.path = path;
        this.taken = path.resolveSibling(TAKEN + path.getFileName());
        this.intake = intake;
        this.clock = clock;
        this.identity = identity(found);
    }

    /**
     * Returns whether a path leads to the file that this object reads: the inode and the beginning are the same, and
     * the file is not shorter than the read position.
     */
    boolean is(Path found) throws IOException {
        BasicFileAttributes now = Files.readAttributes(found, BasicFileAttributes.class, NO_LINKS);
        return now.isRegularFile()
                && identity.equals(identity(now))
                && now.size() >= offset
                && Arrays.equals(beginning, beginning(found, beginning.length));
    }

    private byte[] beginning(Path file, int length) throws IOException {
        try (InputStream in = Channels.newInputStream(folder.open(file, NO_LINKS))) {
            return in.readNBytes(length);
        }
    }

    /**
     * Returns the size of a file. If the file is a link, returns the size of the link and not the size of its target.
     */
    private static long size(Path file) throws IOException {
        return Files.readAttributes(file, BasicFileAttributes.class, NO_LINKS).size();
    }

    private static Object identity(BasicFileAttributes found) {
        return Objects.requireNonNullElse(found.fileKey(), found.creationTime());
    }

    /**
     * Adds the next portion of the file to the outbox. If the file has no further portion, removes or renames the file.
     *
     * @throws dev.flk.agent.outbox.certificate.CertificateSink.OutboxFull if the outbox has no room for the portion now
     */
    Progress step() throws IOException {
        boolean whole = givenUp || !good.isEmpty() || !bad.isEmpty() || read();
        long before = intake.added();
        try {
            intake.addFrom(good);
        } finally {
            added += intake.added() - before;
        }
        setAside();
        if (!whole) {
            return Progress.NOT_YET;
        }
        if (hasMore(path) || !remove()) {
            return Progress.MORE;
        }
        LOG.info("added {} certificates from {} and refused {}", added, name(path), refused);
        return Progress.DONE;
    }

    /**
     * Removes the file and returns true. If a certificate in the file is too long, keeps the file under a name with
     * {@code .rejected} instead. The file is first renamed to a temporary name, because another program could put
     * another file at the path at any time. If the renamed file is not the file that was read, or has more to read, it
     * gets a unique name under which it is read later, and the method returns false.
     */
    private boolean remove() throws IOException {
        Files.move(path, taken, StandardCopyOption.ATOMIC_MOVE);
        if (!is(taken) || hasMore(taken)) {
            giveBack(taken);
            return false;
        }
        try {
            if (tooLong) {
                // keeps the file, because the error file lacks the text that is too long
                Path rejected = freeRejectedName();
                Files.move(taken, rejected);
                LOG.info("{} is kept as {}, because a certificate in it is too long", name(path), name(rejected));
            } else {
                Files.delete(taken);
            }
        } catch (IOException e) {
            putBack(e);
            throw e;
        }
        return true;
    }

    /** Returns an unused path to which a file is renamed if it contains a text that is too long. */
    private Path freeRejectedName() {
        String name = path.getFileName() + ".rejected";
        Path free = path.resolveSibling(name);
        for (int n = 2; Files.exists(free, NO_LINKS); n++) {
            free = path.resolveSibling(name + "." + n);
        }
        return free;
    }

    private boolean hasMore(Path file) throws IOException {
        return !givenUp && size(file) > offset;
    }

    /**
     * Gives the file its original name again after a failed removal. A later step then only removes the file, and does
     * not add its certificates again.
     */
    private void putBack(IOException why) {
        try {
            Files.move(taken, path);
        } catch (IOException e) {
            why.addSuppressed(e);
        }
    }

    /**
     * Returns whether a file has the temporary name of a file that is being removed. A file with such a name is left
     * over if, for example, the process ended before the removal.
     */
    static boolean isTaken(Path file) {
        return file.getFileName().toString().startsWith(TAKEN);
    }

    /**
     * Gives a file a unique name in the spool directory, under which the file is read again. {@link #isTaken} must
     * return true for the file.
     *
     * @throws java.nio.file.InvalidPathException if the locale of this process cannot express the name of the file
     */
    static void giveBack(Path taken) throws IOException {
        String name = taken.getFileName().toString().substring(TAKEN.length());
        int dot = name.lastIndexOf('.');
        String beginning = name.substring(0, name.offsetByCodePoints(0, Math.min(KEPT, name.codePointCount(0, dot))));
        String free = beginning + "-" + UUID.randomUUID() + name.substring(dot);
        Files.move(taken, taken.resolveSibling(free), StandardCopyOption.ATOMIC_MOVE);
    }

    /**
     * Reads the next portion. Returns false if the last text of the file is invalid, but a producer may still be
     * writing this text.
     */
    private boolean read() throws IOException {
        if (beginning.length < BEGINNING_BYTES) {
            beginning = beginning(path, BEGINNING_BYTES);
        }
        return path.toString().endsWith(".ndjson") ? readLines() : readAll();
    }

    private boolean readLines() throws IOException {
        try (FileChannel channel = folder.open(path, NO_LINKS)) {
            channel.position(offset);
            Lines lines = new Lines(Channels.newInputStream(channel), CertificateLimit.BYTES, PORTION_BYTES);
            long start = offset;
            long linesBefore = line;
            for (byte[] text = lines.next(); text != null; text = lines.next()) {
                Optional<String> objection = intake.objection(text);
                if (objection.isPresent() && !lines.ended() && mayGrow(text)) {
                    return false;
                }
                line = linesBefore + lines.number();
                sort(text, objection);
                offset = start + lines.bytesRead();
                if (lines.isCut()) {
                    givenUp = true;
                    limit.say(
                            "given up",
                            leftOut -> LOG.error(
                                    "line {} of {} is longer than {} bytes: the rest of the file is not read, and"
                                            + " the file is kept{}",
                                    line,
                                    name(path),
                                    intake.longest(),
                                    leftOut));
                    return true;
                }
                if (badChars > PORTION_BYTES) {
                    return true; // the lines of the error file may be much longer than the rejected lines
                }
            }
            line = linesBefore + lines.number();
            offset = start + lines.bytesRead();
            return true;
        }
    }

    private boolean readAll() throws IOException {
        if (offset > 0 && offset == size(path)) {
            return true;
        }
        try (InputStream in = Channels.newInputStream(folder.open(path, NO_LINKS))) {
            byte[] text = in.readNBytes(CertificateLimit.BYTES + 1);
            Optional<String> objection = intake.objection(text);
            if (objection.isPresent() && mayGrow(text)) {
                return false;
            }
            line = 1;
            sort(text, objection);
            offset = Math.max(text.length, size(path));
            return true;
        }
    }

    private static String name(Path file) {
        return Printable.of(String.valueOf(file.getFileName()));
    }

    private boolean mayGrow(byte[] text) throws IOException {
        Duration age =
                Duration.between(Files.getLastModifiedTime(path, NO_LINKS).toInstant(), clock.instant());
        return text.length <= intake.longest() && age.abs().compareTo(STILL_WRITTEN) < 0;
    }

    private void sort(byte[] text, Optional<String> objection) {
        if (objection.isEmpty()) {
            good.add(text);
        } else {
            tooLong |= text.length > intake.longest();
            String shown = text.length > intake.longest() ? "" : new String(text, StandardCharsets.UTF_8);
            String one = "line " + line + ": " + objection.get() + "\t"
                    + shown.replace('\n', ' ').replace('\r', ' ') + "\n";
            bad.add(one);
            badChars += one.length();
        }
    }

    /**
     * Appends a line for each rejected certificate to the error file: {@code line N: reason}, a tab, and the rejected
     * text on one line (omitted if the text is too long). The lines are on disk when this method returns.
     */
    private void setAside() throws IOException {
        if (bad.isEmpty()) {
            return;
        }
        Path errors = path.resolveSibling(path.getFileName() + ".error");
        try (FileChannel channel = folder.open(
                errors, StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.APPEND, NO_LINKS)) {
            OutputStream out = new BufferedOutputStream(Channels.newOutputStream(channel));
            for (String one : bad) {
                out.write(one.getBytes(StandardCharsets.UTF_8));
            }
            out.flush();
            channel.force(true);
        }
        if (refused == 0) {
            limit.say(
                    "refused",
                    leftOut ->
                            LOG.warn("certificates of {} were refused; see {}{}", name(path), name(errors), leftOut));
        }
        refused += bad.size();
        bad.clear();
        badChars = 0;
    }
}
