// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.program.config.InvalidConfig;
import dev.flk.program.files.RegularFile;
import dev.flk.wal.DiskFiles;
import dev.flk.wal.FileOps.OpenFile;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Reads the file of dead letters line by line, also while an agent writes it. */
public final class DeadLetterFile {
    private static final Logger LOG = LoggerFactory.getLogger(DeadLetterFile.class);
    private static final int BLOCK_BYTES = 1 << 16;

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

    /** Returns the number of complete, non-blank lines in a file; 0 if there is no file. */
    public static int count(Path path) throws IOException {
        int[] count = new int[1];
        read(path, file -> lines(file, line -> count[0]++));
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

    /** Returns why a path can't be used for dead letters; empty for a regular file, and if nothing exists there. */
    public static Optional<String> objection(Path path) throws IOException {
        return RegularFile.otherKind(path)
                .map(kind -> "DLQ_PATH: " + path + " is " + kind + ", not a regular file; name another file");
    }

    /** Throws an {@link InvalidConfig} unless the path is that of a regular file, or nothing exists there. */
    static void requireFile(Path path) throws IOException {
        Optional<String> objection = objection(path);
        if (objection.isPresent()) {
            throw new InvalidConfig(List.of(objection.get()));
        }
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
                    blank &= b == ' ' || b == '\t' || b == '\r';
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
