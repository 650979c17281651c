// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.follow;

import dev.flk.agent.certify.CsvNotices;
import dev.flk.agent.certify.FollowedRows.File;
import dev.flk.program.files.RegularFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The lines of a followed CSV that are not certified. Each is kept with its reason in the file {@code
 * FILE.csv.certified.bad} until that file has {@value #MAX_BYTES} bytes, and an ERROR names the first and the last of
 * consecutive ones. A line may be kept again after a restart.
 */
public final class LeftOutLines implements CsvNotices {
    private static final Logger LOG = LoggerFactory.getLogger(LeftOutLines.class);
    private static final int MAX_BYTES = 1 << 20;

    private final Path csv;
    private final Path file;
    private long first;
    private long last;
    private long count;

    public LeftOutLines(Path csv) {
        this.csv = csv;
        this.file = Position.file(csv).resolveSibling(Position.file(csv).getFileName() + ".bad");
    }

    @Override
    public void understood(String text) {
        LOG.info("reads {}: {}", csv, text);
    }

    @Override
    public void leftOut(File source, long line, String why, String text) throws IOException {
        boolean isKept = keep("# " + why + "\n" + text + "\n");
        if (count == 0) {
            first = line;
            LOG.error(
                    "{}: {}; not certified, {} {}",
                    source.otherName().orElse(csv.toString()),
                    why,
                    isKept ? "but kept in" : "and not kept, because it is full:",
                    file);
        }
        count++;
        last = line;
    }

    @Override
    public void resumed() {
        if (count > 1) {
            LOG.error("{}: lines {} to {}, {} of them, are not certified", csv, first, last, count);
        }
        count = 0;
    }

    private boolean keep(String entry) throws IOException {
        byte[] bytes = entry.getBytes(StandardCharsets.UTF_8);
        RegularFile.requireOrNothing(file);
        if (Files.exists(file) && Files.size(file) + bytes.length > MAX_BYTES) {
            return false;
        }
        Files.write(file, bytes, StandardOpenOption.CREATE, StandardOpenOption.APPEND, StandardOpenOption.DSYNC);
        return true;
    }
}
