// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli.remote;

import dev.flk.backend.outcomes.duckdb.OutcomeTable;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.cli.IoMessages;
import dev.flk.program.cli.Printable;
import java.io.IOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Option;

/** The command {@code record export}, which writes outcomes with their reviews to a file. */
@Command(
        name = "export",
        description = {
            "Writes outcomes with their newest reviews to a file.",
            "",
            "The options of record select them; without any, it writes all. An outcome that",
            "arrives meanwhile may be included. FILE appears when it is complete.",
            ""
        },
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {
            "0:the file is complete",
            "1:there is no file, or it existed already; the message says why",
            "2:wrong usage or configuration"
        })
final class RecordExportCommand implements Callable<Integer> {
    private final RecordCommand record;

    @ArgGroup(multiplicity = "1")
    private Target target = new Target();

    private long outcomes;

    /** The file, in one of its formats. */
    private static final class Target {
        @Option(names = "--parquet", paramLabel = "FILE", required = true, description = "The Parquet file to create.")
        private Path parquet = Path.of("");

        @Option(names = "--ndjson", paramLabel = "FILE", required = true, description = "The NDJSON file to create.")
        private Path ndjson = Path.of("");
    }

    /** The output of {@code export --json}. */
    private record Exported(String file, long outcomes, long bytes) {}

    /** @param record the command with the options that select outcomes */
    RecordExportCommand(RecordCommand record) {
        this.record = record;
    }

    @Override
    public Integer call() throws IOException {
        boolean isParquet = target.ndjson.toString().isEmpty();
        Path file = (isParquet ? target.parquet : target.ndjson).toAbsolutePath();
        if (Files.exists(file)) {
            throw new IOException(file + " exists already and was left unchanged; name another file");
        }
        try (RemovedAtEnd part = new RemovedAtEnd(file.resolveSibling(file.getFileName() + ".part"))) {
            if (isParquet) {
                writeParquet(part.path());
            } else {
                writeNdjson(part.path());
            }
            Files.move(part.path(), file);
        } catch (IOException e) {
            throw new IOException(
                    "no file was written, after " + ErrorMessages.count(outcomes, "outcome") + ": "
                            + IoMessages.describe(e),
                    e);
        }
        record.output()
                .print(
                        new Exported(file.toString(), outcomes, Files.size(file)),
                        done -> Printable.of(done.file()) + ": " + ErrorMessages.count(done.outcomes(), "outcome")
                                + ", " + ErrorMessages.bytes(done.bytes()) + System.lineSeparator());
        return ExitCode.OK;
    }

    private void writeParquet(Path part) throws IOException {
        try (RemovedAtEnd directory = RemovedAtEnd.directory();
                OutcomeTable table = OutcomeTable.create(directory.path(), part)) {
            record.download(line -> {
                table.add(line);
                outcomes++;
            });
            table.writeParquet();
        }
    }

    private void writeNdjson(Path part) throws IOException {
        try (Writer lines = Files.newBufferedWriter(part)) {
            record.download(line -> {
                lines.append(line).append('\n');
                outcomes++;
            });
        }
    }
}
