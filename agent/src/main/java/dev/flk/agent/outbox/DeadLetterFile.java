// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.program.config.InvalidConfig;
import dev.flk.program.config.Key;
import dev.flk.program.config.Quantities;
import dev.flk.program.files.RegularFile;
import dev.flk.wal.files.DiskFiles;
import dev.flk.wal.files.FileOps.OpenFile;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A reader that reads the file of dead letters line by line, even while an agent writes the file. A first line that is
 * neither a dead letter nor a dead letter damaged by a crash shows that no agent has written the file. The reader then
 * throws {@link NotDeadLetters}, and the agent does not change the file. For one thread.
 */
public final class DeadLetterFile {
    private static final Logger LOG = LoggerFactory.getLogger(DeadLetterFile.class);
    /** The setting that names the file of dead letters. */
    public static final Key<Path> PATH = Key.of("DLQ_PATH", Quantities::path, "The file of the dead letters.")
            .or("data/dlq.jsonl");

    private static final int BLOCK_BYTES = 1 << 16;
    /** The beginning of every dead letter that an agent writes. */
    private static final Pattern BEGINNING = Pattern.compile(
            "\\{\"when\":\"[0-9TZ:.+-]{0,35}\",\"outbox_seq\":.*",
            Pattern.DOTALL); // decoded as ISO 8859-1, a byte of UTF-8 may become U+0085, which is a line end

    /**
     * The maximum length, in bytes, of a line of zeros that counts as a dead letter damaged by a crash. A crash does
     * not leave longer lines of zeros.
     */
    private static final int MAX_ZEROS = 1 << 16;
    /**
     * The maximum length of a dead letter in bytes: twice the maximum length of a certificate, whose id the letter
     * repeats, and the rest of the letter.
     */
    private static final int MAX_LETTER_BYTES = (16 << 20) + (64 << 10);

    private static final int MOST_NAMED = 20;

    private final Path path;
    private final OpenFile file;
    private final ByteBuffer block = ByteBuffer.allocate(BLOCK_BYTES).limit(0);
    private ByteArrayOutputStream line = new ByteArrayOutputStream();
    private long position;
    private boolean checked;
    /** The number of the line of the last byte that was read. */
    private long number;

    private boolean isNewLine = true;
    private int letters;
    private final List<String> damaged = new ArrayList<>();
    private int damagedLines;

    DeadLetterFile(Path path, OpenFile file) {
        this.path = path;
        this.file = file;
    }

    /** The exception for a file with a line that no agent can have written. */
    static final class NotDeadLetters extends IOException {
        private static final long serialVersionUID = 1;

        NotDeadLetters(String line, Path path) {
            super("the " + line + " of " + path + " is not a dead letter; name another file, or move this one away");
        }
    }

    /** Returns the number of dead letters in a file; 0 if the file does not exist. */
    public static int count(Path path) throws IOException {
        return read(path, any -> true, letter -> {})
                .map(DeadLetterFile::letters)
                .orElse(0);
    }

    /**
     * Passes the selected dead letters of a file to a consumer, in order; does nothing if the file does not exist.
     *
     * @return a sentence for each line that is not a dead letter, and for each selected dead letter that is damaged; at
     *     most about 20 sentences
     */
    public static List<String> letters(Path path, Predicate<DeadLetter> which, Consumer<DeadLetter> letters)
            throws IOException {
        return read(path, which, letters).map(DeadLetterFile::damaged).orElse(List.of());
    }

    private static Optional<DeadLetterFile> read(Path path, Predicate<DeadLetter> which, Consumer<DeadLetter> letters)
            throws IOException {
        requireFile(path);
        if (!Files.exists(path)) {
            return Optional.empty();
        }
        try (OpenFile opened = new DiskFiles().openForReading(path)) {
            DeadLetterFile file = new DeadLetterFile(path, opened);
            file.forEach(which, letters);
            return Optional.of(file);
        }
    }

    /**
     * Returns why a path can't be used for dead letters. Returns empty if the first line of the file is a dead letter,
     * perhaps damaged, or if the file is empty or does not exist. Does not check later lines.
     */
    public static Optional<String> objection(Path path) throws IOException {
        Optional<String> kind = RegularFile.otherKind(path);
        if (kind.isPresent()) {
            return Optional.of("DLQ_PATH: " + path + " is " + kind.get() + ", not a regular file; name another file");
        }
        if (!Files.exists(path)) {
            return Optional.empty();
        }
        try (OpenFile opened = new DiskFiles().openForReading(path)) {
            byte[] unused = new DeadLetterFile(path, opened).nextLine();
            return Optional.empty();
        } catch (NotDeadLetters e) {
            return Optional.of("DLQ_PATH: " + e.getMessage());
        }
    }

    /** Throws an {@link InvalidConfig} with the result of {@link #objection} if the result is not empty. */
    static void requireFile(Path path) throws IOException {
        Optional<String> objection = objection(path);
        if (objection.isPresent()) {
            throw new InvalidConfig(List.of(objection.get()));
        }
    }

    /** Passes the remaining selected dead letters of the file to a consumer, also damaged ones. */
    void forEach(Predicate<DeadLetter> which, Consumer<DeadLetter> consumer) throws IOException {
        for (DeadLetter letter = next(which); letter != null; letter = next(which)) {
            consumer.accept(letter);
        }
    }

    /**
     * Returns the next selected dead letter, which may be damaged; null at the end of the file. Skips lines that are
     * not dead letters.
     */
    @Nullable
    DeadLetter next(Predicate<DeadLetter> which) throws IOException {
        for (byte[] next = nextLine(); next != null; next = nextLine()) {
            try {
                DeadLetter letter = DeadLetter.decode(next);
                letters++;
                if (which.test(letter)) {
                    if (letter.isDamaged()) {
                        addDamaged("is damaged: it does not end with the checksum of its bytes");
                    }
                    return letter;
                }
            } catch (IOException e) {
                addDamaged("is damaged or is not a dead letter: " + e.getMessage());
            }
        }
        return null;
    }

    private void addDamaged(String what) {
        damagedLines++;
        if (damaged.size() < MOST_NAMED) {
            damaged.add("line " + number + " of " + path + " " + what);
        }
    }

    /** Returns the number of dead letters read so far, including damaged ones. */
    int letters() {
        return letters;
    }

    private List<String> damaged() {
        if (damagedLines > damaged.size()) {
            damaged.add((damagedLines - damaged.size()) + " more lines of " + path + " are damaged");
        }
        return damaged;
    }

    /** Logs that damaged lines were skipped, if there were any. */
    void logDamaged() {
        if (damagedLines > 0) {
            LOG.warn("skipped {} damaged lines: {}", damagedLines, damaged.get(0));
        }
    }

    /**
     * Returns the next complete line that is not blank, without its leading white space and without its line end; null
     * if the file has no further complete line.
     *
     * @throws NotDeadLetters if the first line is neither a dead letter nor a dead letter damaged by a crash, or if the
     *     line to return is longer than any dead letter
     */
    byte @Nullable [] nextLine() throws IOException {
        line.reset();
        while (block.hasRemaining() || fill()) {
            byte b = block.get();
            number += isNewLine ? 1 : 0;
            isNewLine = b == '\n';
            if (b == '\n' && line.size() > 0) {
                byte[] complete = line.toByteArray();
                line = new ByteArrayOutputStream(); // the old one may be as long as two of the longest letters
                // also accepts a damaged dead letter as the first line, if the line begins like a dead letter and ends
                // with a brace
                if (!checked) {
                    requireFirst(complete, mayBeCut(complete) && complete[complete.length - 1] == '}');
                }
                return complete;
            }
            if (line.size() > 0 || !isBlank(b)) {
                line.write(b);
            }
            if (!checked && line.size() == 1 && b != '{' && b != 0) {
                throw new NotDeadLetters("first line", path);
            }
            // fails before reading the rest of the line, which may not fit into memory
            if (line.size() > MAX_LETTER_BYTES) {
                long start = position - block.remaining() - line.size();
                throw new NotDeadLetters(checked ? "line at byte " + start : "first line", path);
            }
        }
        requireFirst(rest(), mayBeCut(rest()));
        return null;
    }

    private boolean fill() throws IOException {
        int read = file.read(block.clear(), position);
        block.flip();
        position += Math.max(0, read);
        return read > 0;
    }

    private void requireFirst(byte[] text, boolean mayBeDamaged) throws NotDeadLetters {
        if (!checked && !mayBeDamaged && letterIn(text).isEmpty()) {
            throw new NotDeadLetters("first line", path);
        }
        checked = true;
    }

    /**
     * Returns the text after the last line end of the file. May be called only after {@link #nextLine} has returned
     * null.
     */
    byte[] rest() {
        return line.toByteArray();
    }

    /**
     * Returns whether this line may be a dead letter that a crash has damaged. A crash may have truncated the line, or
     * replaced some or all of its bytes by zeros. The text before the first zero must be the beginning of a dead
     * letter. Also returns true for an empty line.
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
        return b == ' ' || b == '\t' || b == '\r' || b == '\n';
    }
}
