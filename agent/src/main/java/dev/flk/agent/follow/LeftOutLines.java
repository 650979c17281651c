// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.follow;

import dev.flk.agent.certify.CsvNotices;
import dev.flk.agent.certify.FollowedRows.File;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.cli.Printable;
import dev.flk.program.files.RegularFile;
import dev.flk.program.logging.LineLimit;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.atomic.LongAdder;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The lines of the files of a source that are not certified. Each is kept with its reason in a file of the source, and
 * an ERROR names it: of a source five, and then one in ten minutes. A line may be kept again after a restart. When the file
 * has {@value #MAX_BYTES} bytes, the source stops.
 */
final class LeftOutLines implements CsvNotices {
    private static final Logger LOG = LoggerFactory.getLogger(LeftOutLines.class);
    private static final int MAX_BYTES = 1 << 20;

    private final Path csv;
    private final Path file;
    private final LongAdder all;
    private final LineLimit limit;

    /** The exception for a line that can't be kept, because the file of such lines is full. */
    static final class BadLinesFull extends IOException {
        private static final long serialVersionUID = 1;

        BadLinesFull(String message) {
            super(message);
        }
    }

    /**
     * @param csv the CSV to which the lines belong
     * @param file the file that keeps them
     * @param all the number of the lines of all files of the source
     * @param limit the limit of lines in the log
     */
    LeftOutLines(Path csv, Path file, LongAdder all, LineLimit limit) {
        this.csv = csv;
        this.file = file;
        this.all = all;
        this.limit = limit;
    }

    @Override
    public void understood(String text) {
        LOG.info("reads {}: {}", csv, text);
    }

    @Override
    public void leftOut(File source, long line, String why, String text) throws IOException {
        String name = source.otherName().orElse(csv.toString());
        if (!keep("# " + Printable.of(csv.toString()) + ": " + why + "\n" + text + "\n")) {
            throw new BadLinesFull(name + ": " + why + "; it can't be kept, because " + file + " has "
                    + ErrorMessages.bytes(MAX_BYTES) + " of such lines. Correct the notation of the source or the"
                    + " program that writes the file, remove " + file + ", and start again");
        }
        all.increment();
        limit.say(
                "left out " + file,
                more -> LOG.error("{}: {}; not certified, but kept in {}{}", name, why, file, more));
    }

    private boolean keep(String entry) throws IOException {
        byte[] bytes = entry.getBytes(StandardCharsets.UTF_8);
        RegularFile.requireOrNothing(file, LinkOption.NOFOLLOW_LINKS); // a link of a producer may lead anywhere
        if (Files.exists(file) && Files.size(file) + bytes.length > MAX_BYTES) {
            return false;
        }
        Files.write(
                file,
                bytes,
                StandardOpenOption.CREATE,
                StandardOpenOption.APPEND,
                StandardOpenOption.DSYNC,
                LinkOption.NOFOLLOW_LINKS);
        return true;
    }
}
