// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.program.config.InvalidConfig;
import dev.flk.program.files.RegularFile;
import dev.flk.wal.DiskFiles;
import dev.flk.wal.FileOps;
import dev.flk.wal.FileOps.OpenFile;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
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

    /** Takes one line after the other. */
    interface Lines {
        void take(byte[] line) throws IOException;
    }

    /** Takes one letter after the other. */
    public interface Letters {
        /** Takes the next letter. */
        void take(DeadLetter letter) throws IOException;
    }

    /** Whole lines in a file, but for blank ones; 0 if there is none. */
    public static int count(Path path) throws IOException {
        int[] count = new int[1];
        read(new DiskFiles(), path, line -> count[0]++);
        return count[0];
    }

    /** All letters in a file, in its order; none if there is no file. Other lines are skipped, and logged at the end. */
    public static void letters(Path path, Letters letters) throws IOException {
        String[] firstReason = {""};
        int[] others = new int[1];
        read(new DiskFiles(), path, line -> {
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
            LOG.warn("{} has lines that are no dead letters: {}, the first: {}", path, others[0], firstReason[0]);
        }
    }

    /** Returns what is wrong with a path for dead letters; empty for a regular file, or for nothing. */
    public static Optional<String> objection(Path path) throws IOException {
        return RegularFile.otherKind(path)
                .map(kind -> "DLQ_PATH: " + path + " is " + kind + ", not a regular file; name another file");
    }

    /** Throws an {@link InvalidConfig} unless the path is that of a regular file, or of nothing. */
    static void requireFile(Path path) throws IOException {
        Optional<String> objection = objection(path);
        if (objection.isPresent()) {
            throw new InvalidConfig(List.of(objection.get()));
        }
    }

    private static void read(FileOps files, Path path, Lines lines) throws IOException {
        requireFile(path);
        if (files.status(path).isPresent()) {
            try (OpenFile file = files.openForReading(path)) {
                lines(file, lines);
            }
        }
    }

    /** Every line that has its end, but for blank ones. */
    static void lines(OpenFile file, Lines lines) throws IOException {
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
    }
}
