// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.program.config.InvalidConfig;
import dev.flk.program.files.RegularFile;
import dev.flk.wal.files.DiskFiles;
import dev.flk.wal.files.FileOps.OpenFile;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads the file of dead letters line by line, also while an agent writes it. A file whose first line is not a dead
 * letter belongs to someone else: it is neither read nor changed.
 */
public final class DeadLetterFile {
    private static final Logger LOG = LoggerFactory.getLogger(DeadLetterFile.class);
    private static final int BLOCK_BYTES = 1 << 16;
    /** The first bytes of every letter that an agent writes. */
    private static final Pattern BEGINNING = Pattern.compile("\\{\"when\":\"[0-9TZ:.+-]{0,35}\",\"outbox_seq\":.*");

    /** The maximum length of a line of zeros that counts as a letter that was never written. */
    private static final int MAX_ZEROS = 1 << 16;
    /** The maximum length of a letter, well above that of a certificate. */
    private static final int MAX_LETTER_BYTES = 16 << 20;

    private DeadLetterFile() {}

    /** A consumer of lines. */
    interface Lines {
        void take(byte[] line) throws IOException;
    }

    /** A consumer of letters. */
    public interface Letters {
        /** Accepts the next letter. */
        void take(DeadLetter letter) throws IOException;
    }

    private interface Contents {
        void read(OpenFile file) throws IOException;
    }

    /** A file, or a line of it, that no agent wrote. */
    static final class NotDeadLetters extends IOException {
        private static final long serialVersionUID = 1;

        NotDeadLetters(String line, Path path) {
            super("the " + line + " line of " + path
                    + " is not a dead letter; name another file, or move this one away");
        }
    }

    /** Returns the number of letters in a file; 0 if there is no file. */
    public static int count(Path path) throws IOException {
        int[] count = new int[1];
        read(path, file -> lines(file, line -> count[0] += letterIn(line).isPresent() ? 1 : 0));
        return count[0];
    }

    /** Passes on all letters of a file, in order; none if there is no file. */
    public static void letters(Path path, Letters letters) throws IOException {
        read(path, file -> letters(path, file, letters));
    }

    private static void read(Path path, Contents contents) throws IOException {
        requireFile(path);
        if (Files.exists(path)) {
            try (OpenFile file = new DiskFiles().openForReading(path)) {
                contents.read(file);
            }
        }
    }

    /** Returns why a path can't be used for dead letters; empty for a file of dead letters, an empty file, and none. */
    public static Optional<String> objection(Path path) throws IOException {
        Optional<String> kind = RegularFile.otherKind(path);
        if (kind.isPresent()) {
            return Optional.of("DLQ_PATH: " + path + " is " + kind.get() + ", not a regular file; name another file");
        }
        if (!Files.exists(path)) {
            return Optional.empty();
        }
        try (OpenFile file = new DiskFiles().openForReading(path)) {
            requireLetters(path, file);
            return Optional.empty();
        } catch (NotDeadLetters e) {
            return Optional.of("DLQ_PATH: " + e.getMessage());
        }
    }

    /** Returns whether a path names a file in a directory or below it; links are followed as far as they exist. */
    public static boolean isInside(Path file, Path directory) {
        Path real = real(file.toAbsolutePath());
        Path realDirectory = real(directory.toAbsolutePath());
        return real.startsWith(realDirectory) && !real.equals(realDirectory);
    }

    private static Path real(Path absolute) {
        Path parent = absolute.getParent();
        try {
            return absolute.toRealPath();
        } catch (IOException e) {
            return parent == null
                    ? absolute
                    : real(parent).resolve(absolute.getFileName()).normalize();
        }
    }

    /** Throws an {@link InvalidConfig} if {@link #objection} returns one. */
    static void requireFile(Path path) throws IOException {
        Optional<String> objection = objection(path);
        if (objection.isPresent()) {
            throw new InvalidConfig(List.of(objection.get()));
        }
    }

    /**
     * Requires that a file is empty or that its first non-blank line is a dead letter, possibly cut or damaged by a
     * crash.
     */
    static void requireLetters(Path path, OpenFile file) throws IOException {
        var line = new ByteArrayOutputStream();
        boolean complete = false;
        ByteBuffer block = ByteBuffer.allocate(BLOCK_BYTES);
        long at = 0;
        while (!complete && file.read(block.clear(), at) > 0) {
            at += block.flip().remaining();
            while (!complete && block.hasRemaining()) {
                byte b = block.get();
                if (line.size() > 0 || !(isBlank(b) || b == '\n')) {
                    complete = b == '\n';
                    line.write(b);
                }
                if ((line.size() == 1 && b != '{' && b != 0) || line.size() > MAX_LETTER_BYTES) {
                    throw new NotDeadLetters("first", path); // the rest may be too long for memory
                }
            }
        }
        byte[] first = line.toByteArray();
        boolean isLetter = complete
                ? isLetterOrDamaged(Arrays.copyOf(first, first.length - 1))
                : letterIn(first).isPresent() || mayBeCut(first);
        if (!isLetter) {
            throw new NotDeadLetters("first", path);
        }
    }

    /**
     * Returns whether a line is a letter or one that a crash or the disk has damaged: it begins like a letter and ends
     * like an object.
     */
    private static boolean isLetterOrDamaged(byte[] line) {
        return letterIn(line).isPresent() || (mayBeCut(line) && line[line.length - 1] == '}');
    }

    /**
     * Returns whether a line may be a letter of which a crash left only parts, and zeros in place of the others: up to
     * the first zero, it must begin like a letter.
     */
    static boolean mayBeCut(byte[] line) {
        String text = new String(line, StandardCharsets.ISO_8859_1);
        int zero = text.indexOf(0);
        Matcher beginning = BEGINNING.matcher(zero < 0 ? text : text.substring(0, zero));
        boolean isText = text.chars().allMatch(c -> c == 0 || c == '\t' || c == '\r' || c >= ' ');
        boolean isEmpty = line.length > MAX_ZEROS && text.chars().allMatch(c -> c == 0);
        return isText && !isEmpty && (beginning.matches() || beginning.hitEnd());
    }

    static Optional<DeadLetter> letterIn(byte[] line) {
        try {
            return Optional.of(DeadLetter.decode(line));
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    private static boolean isBlank(byte b) {
        return b == ' ' || b == '\t' || b == '\r';
    }

    /** Passes on all letters of a file, in order. Skips lines that are not letters, and logs their number. */
    static void letters(Path path, OpenFile file, Letters letters) throws IOException {
        String[] firstReason = {""};
        int[] others = new int[1];
        lines(file, line -> {
            DeadLetter letter;
            try {
                letter = DeadLetter.decode(line);
            } catch (IOException e) {
                if (others[0]++ == 0) {
                    firstReason[0] = String.valueOf(e.getMessage());
                }
                return;
            }
            letters.take(letter);
        });
        if (others[0] > 0) {
            LOG.warn("{} has lines that are not dead letters: {}, the first: {}", path, others[0], firstReason[0]);
        }
    }

    /** Passes on every complete line that is not blank, without its line end. */
    static void lines(OpenFile file, Lines lines) throws IOException {
        byte[] unused = linesAndRest(file, lines);
    }

    /** Passes on the same lines, and returns what follows the last line end. */
    static byte[] linesAndRest(OpenFile file, Lines lines) throws IOException {
        ByteBuffer block = ByteBuffer.allocate(BLOCK_BYTES);
        var line = new ByteArrayOutputStream();
        boolean blank = true;
        long at = 0;
        while (file.read(block.clear(), at) > 0) {
            at += block.flip().remaining();
            while (block.hasRemaining()) {
                byte b = block.get();
                if (b != '\n') {
                    line.write(b);
                    blank &= isBlank(b);
                    continue;
                }
                if (!blank) {
                    lines.take(line.toByteArray());
                }
                line.reset();
                blank = true;
            }
        }
        return line.toByteArray();
    }
}
