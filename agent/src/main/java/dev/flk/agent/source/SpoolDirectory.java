// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.source;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A directory that other programs leave certificates in: {@code *.json} with one each, {@code *.ndjson} with one a line.
 * They write under another name and rename, so that a file that is seen is whole. A file is removed only after everything
 * good in it is on disk in the outbox; what is refused goes, with the reason, to {@code <file>.error}, forced before that. A
 * crash in between takes the file in twice, which the backend answers as duplicates. Owned by one thread.
 */
public final class SpoolDirectory {
    private static final Logger LOG = LoggerFactory.getLogger(SpoolDirectory.class);

    private final Path directory;
    private final Intake intake;

    /** The directory must exist. */
    public SpoolDirectory(Path directory, Intake intake) {
        this.directory = directory;
        this.intake = intake;
    }

    /**
     * Takes in the files that are there, in the order of their names; returns how many certificates that were. Where the
     * outbox is full it stops, and the file stays for the next step.
     */
    public long step() throws IOException {
        long added = 0;
        for (Path file : files()) {
            Intake.Result result = takeIn(file);
            added += result.added();
            if (!result.refused().isEmpty()) {
                setAside(file, result.refused());
            }
            Files.delete(file);
            LOG.info(
                    "took {} certificates in from {}, refused {}",
                    result.added(),
                    file.getFileName(),
                    result.refused().size());
        }
        return added;
    }

    private List<Path> files() throws IOException {
        List<Path> files = new ArrayList<>();
        try (DirectoryStream<Path> found = Files.newDirectoryStream(directory, "*.{json,ndjson}")) {
            for (Path file : found) {
                if (Files.isRegularFile(file)) {
                    files.add(file);
                }
            }
        }
        files.sort(null);
        return files;
    }

    private Intake.Result takeIn(Path file) throws IOException {
        try (InputStream in = Files.newInputStream(file)) {
            return file.toString().endsWith(".ndjson") ? intake.addLines(in) : intake.addOne(in);
        }
    }

    /** A line each: {@code line N: reason}, a tab, and the text that was refused, on one line. */
    private static void setAside(Path file, List<Intake.Refused> refused) throws IOException {
        Path errors = file.resolveSibling(file.getFileName() + ".error");
        try (FileChannel channel = FileChannel.open(
                errors, StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.APPEND)) {
            OutputStream out = new BufferedOutputStream(Channels.newOutputStream(channel));
            for (Intake.Refused one : refused) {
                String text = one.text().replace('\n', ' ').replace('\r', ' ');
                out.write(("line " + one.line() + ": " + one.reason() + "\t" + text + "\n")
                        .getBytes(StandardCharsets.UTF_8));
            }
            out.flush();
            channel.force(true);
        }
        LOG.warn(
                "{} certificates of {} were refused, see {}", refused.size(), file.getFileName(), errors.getFileName());
    }
}
