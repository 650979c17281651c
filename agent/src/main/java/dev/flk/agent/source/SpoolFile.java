// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.source;

import dev.flk.program.cli.Printable;
import dev.flk.program.files.RegularFile;
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
 * One file of the spool directory, and how far it was taken in: a portion a {@link #step}, and after a failure just what was
 * not yet taken. Remembered by this process only; after a restart the file is read from its start, which the backend answers as
 * duplicates. One thread.
 */
final class SpoolFile {
    /** What became of the file in a step. */
    enum Progress {
        /** Everything good in it is on disk in the outbox, and the file is gone. */
        DONE,
        /** There is more of it. */
        MORE,
        /** It looks as if someone were still writing it. */
        NOT_YET
    }

    private static final Logger LOG = LoggerFactory.getLogger(SpoolFile.class);
    private static final long PORTION_BYTES = 1 << 20;
    /** No producer writes under this name, and a round does not take it in. */
    private static final String TAKEN = ".taken-";
    /** The number of code points that a file which is put back keeps of its name: together with a UUID less than 255 bytes. */
    private static final int KEPT = 50;
    /** The beginning of a file tells it from another one with the same inode. */
    private static final int BEGINNING_BYTES = 4096;
    /** A producer that writes in place has this long to go on before a broken end counts as broken. */
    private static final Duration STILL_WRITTEN = Duration.ofSeconds(5);

    /** Links are not followed: they could lead to what the producer may not read but the agent can. */
    private static final LinkOption NO_LINKS = LinkOption.NOFOLLOW_LINKS;

    private final Path path;
    /** The name of the file while it is removed. */
    private final Path taken;

    private final Intake intake;
    private final InstantSource clock;
    private final LineLimit limit;
    private final Object identity;
    private final Deque<byte[]> good = new ArrayDeque<>();
    private final List<String> bad = new ArrayList<>();
    private byte[] beginning = new byte[0];
    private long offset;
    private long line;
    private long added;
    private long refused;
    private boolean tooLong;
    /** Nothing more is read of it. */
    private boolean givenUp;

    /** @throws java.nio.file.InvalidPathException if the locale of this process cannot express the name of the file */
    SpoolFile(Path path, BasicFileAttributes found, Intake intake, InstantSource clock, LineLimit limit) {
        this.limit = limit;
        this.path = path;
        this.taken = path.resolveSibling(TAKEN + path.getFileName());
        this.intake = intake;
        this.clock = clock;
        this.identity = identity(found);
    }

    /** Whether the file under a name is still the one that was found first, and begins as it did. */
    boolean is(Path found) throws IOException {
        BasicFileAttributes now = Files.readAttributes(found, BasicFileAttributes.class, NO_LINKS);
        return now.isRegularFile()
                && identity.equals(identity(now))
                && now.size() >= offset
                && Arrays.equals(beginning, beginning(found, beginning.length));
    }

    private static byte[] beginning(Path file, int length) throws IOException {
        try (InputStream in = Files.newInputStream(file, NO_LINKS)) {
            return in.readNBytes(length);
        }
    }

    /** Of the file itself, not of what a link leads to. */
    private static long size(Path file) throws IOException {
        return Files.readAttributes(file, BasicFileAttributes.class, NO_LINKS).size();
    }

    private static Object identity(BasicFileAttributes found) {
        return Objects.requireNonNullElse(found.fileKey(), found.creationTime());
    }

    /**
     * Takes the next portion in.
     *
     * @throws dev.flk.agent.outbox.CertificateSink.OutboxFull if the outbox has no room for it now
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
        LOG.info("took {} certificates in from {}, refused {}", added, name(path), refused);
        return Progress.DONE;
    }

    /**
     * Takes the file away, if it is the one that was taken in, and all of it was. Renamed first: between a look and a removal another
     * one may get its name.
     */
    private boolean remove() throws IOException {
        Files.move(path, taken, StandardCopyOption.ATOMIC_MOVE);
        if (!is(taken) || hasMore(taken)) {
            giveBack(taken);
            return false;
        }
        try {
            if (tooLong) {
                // the text that is too long is nowhere else
                Path rejected = freeRejectedName();
                Files.move(taken, rejected);
                LOG.info("{} is kept as {}", name(path), name(rejected));
            } else {
                Files.delete(taken);
            }
        } catch (IOException e) {
            putBack(e);
            throw e;
        }
        return true;
    }

    /** Returns a free name for a file that is kept. */
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

    /** Under its own name it is known: it is not taken in again, only removed later. */
    private void putBack(IOException why) {
        try {
            Files.move(taken, path);
        } catch (IOException e) {
            why.addSuppressed(e);
        }
    }

    /** Whether a file was taken away and not yet removed, when its process ended, say. */
    static boolean isTaken(Path file) {
        return file.getFileName().toString().startsWith(TAKEN);
    }

    /**
     * Puts such a file back, under a name that nobody else has and that is not too long.
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

    /** Reads a portion; false if the end may not be whole yet. */
    private boolean read() throws IOException {
        if (beginning.length < BEGINNING_BYTES) {
            beginning = beginning(path, BEGINNING_BYTES);
        }
        return path.toString().endsWith(".ndjson") ? readLines() : readAll();
    }

    private boolean readLines() throws IOException {
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ, NO_LINKS)) {
            channel.position(offset);
            Lines lines = new Lines(Channels.newInputStream(channel), Intake.MAX_CERTIFICATE_BYTES, PORTION_BYTES);
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
                                    "line {} of {} is longer than {} bytes: nothing after it is read, the file is"
                                            + " kept{}",
                                    line,
                                    name(path),
                                    intake.longest(),
                                    leftOut));
                    return true;
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
        try (InputStream in = Files.newInputStream(path, NO_LINKS)) {
            byte[] text = in.readNBytes(Intake.MAX_CERTIFICATE_BYTES + 1);
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
            bad.add("line " + line + ": " + objection.get() + "\t"
                    + shown.replace('\n', ' ').replace('\r', ' ') + "\n");
        }
    }

    /** A line each: {@code line N: reason}, a tab, and the text that was refused, on one line; on disk when it returns. */
    private void setAside() throws IOException {
        if (bad.isEmpty()) {
            return;
        }
        Path errors = path.resolveSibling(path.getFileName() + ".error");
        RegularFile.requireOrNothing(errors, NO_LINKS);
        try (FileChannel channel = FileChannel.open(
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
                    leftOut -> LOG.warn("certificates of {} are refused, see {}{}", name(path), name(errors), leftOut));
        }
        refused += bad.size();
        bad.clear();
    }
}
