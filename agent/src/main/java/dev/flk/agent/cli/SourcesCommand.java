// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.agent.certify.Certifier;
import dev.flk.agent.certify.Windows;
import dev.flk.agent.csv.CsvFormat;
import dev.flk.agent.csv.CsvRows;
import dev.flk.agent.csv.CsvRows.MalformedCsv;
import dev.flk.agent.follow.Globs;
import dev.flk.agent.follow.Globs.Found;
import dev.flk.agent.follow.Source;
import dev.flk.agent.follow.SourceMembers;
import dev.flk.agent.follow.SourcesFile;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.cli.IoMessages;
import dev.flk.program.cli.Printable;
import dev.flk.program.files.ForeignFolder;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.channels.Channels;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** The command {@code sources}, whose only subcommand is {@code check}. */
@Command(name = "sources", header = "Check the file of sources.")
final class SourcesCommand implements Runnable {
    private static final int MOST_SHOWN = 5;

    private final Context context;

    SourcesCommand(Context context) {
        this.context = context;
    }

    @Override
    public void run() {
        throw new UsageError("name a subcommand: check");
    }

    @Command(
            name = "check",
            header = "Show the files of each source and how they are read.",
            description = {
                "Reads a file of sources, and shows of each source the files that it matches",
                "now, how the first row of the first one is read, its windows and its shard.",
                "Certifies nothing. Exit code 1 if a source has no files or one that can't be",
                "read, 2 if the file of sources is invalid."
            })
    int check(
            @Parameters(arity = "0..1", paramLabel = "FILE", description = "The file (default: SOURCES_FILE).")
                    @Nullable
                    Path file)
            throws IOException {
        Path sources = Optional.ofNullable(file)
                .or(() -> context.config().sourcesFile())
                .orElseThrow(() -> new UsageError("name a file of sources, or set SOURCES_FILE"));
        int exitCode = 0;
        for (Source source : SourcesFile.read(sources)) {
            Optional<String> problem = show(source);
            if (problem.isPresent()) {
                context.out().flush();
                context.complain("source " + source.name() + ": " + problem.get());
                exitCode = 1;
            }
        }
        return exitCode;
    }

    /** Shows a source, and returns the problem with its files, if there is one. */
    private Optional<String> show(Source source) {
        try {
            Found matching = Globs.find(source.files());
            Found found = source.isComplete() ? matching : matching.growing();
            context.say(source.name() + ": " + ErrorMessages.count(found.files().size(), "file")
                    + (found.isCut() ? " or more" : "") + ", " + (source.isComplete() ? "complete" : "growing"));
            for (Path file :
                    found.files().subList(0, Math.min(MOST_SHOWN, found.files().size()))) {
                context.say("    " + Printable.of(file.toString()));
            }
            found.leftOut().values().stream()
                    .limit(MOST_SHOWN)
                    .forEach(why -> context.say("    left out: " + Printable.of(why)));
            Optional<String> first = found.files().isEmpty()
                    ? Optional.of("no file matches " + source.files()
                            + "; correct the path, or check again when files are written")
                    : showFirst(source, found.files().get(0));
            return first.or(() -> found.leftOut().values().stream().findFirst());
        } catch (IOException e) {
            return Optional.of(IoMessages.describe(e));
        }
    }

    private Optional<String> showFirst(Source source, Path file) throws IOException {
        try (InputStream csv = new BufferedInputStream(
                Channels.newInputStream(new ForeignFolder(Globs.folder(source.files())).open(file)))) {
            if (!source.isComplete() && CsvFormat.isGzip(csv)) {
                return Optional.of(file + " is compressed, so it does not grow; add complete: true");
            }
            context.say("    " + CsvRows.firstRow(csv, source.columns(), source.format(), !source.isComplete()));
            List<String> ids = new Certifier(source.shard().ids(file)).shardIds();
            context.say("    windows " + windows(source) + "; "
                    + (ids.isEmpty()
                            ? "shards in column " + source.columns().shard().orElse("")
                            : "shard " + String.join(", ", ids)));
            return Optional.empty();
        } catch (MalformedCsv | IllegalArgumentException e) {
            return Optional.of(file + ": " + SourceMembers.inFile(String.valueOf(e.getMessage())));
        }
    }

    private static String windows(Source source) {
        return source.windows() instanceof Windows.ByTime time
                ? "of " + time.length().toString().substring(2).toLowerCase(Locale.ROOT)
                : SourceMembers.inFile(source.windows()
                        .choice(source.columns().values().size())
                        .orElse("of " + ((Windows.ByCount) source.windows()).rowsPerWindow() + " rows"));
    }
}
