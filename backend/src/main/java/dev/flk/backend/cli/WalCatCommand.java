// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.backend.ingest.LoggedId;
import dev.flk.backend.ingest.RecordKind;
import dev.flk.certificate.PcsId;
import dev.flk.wal.LogInspector;
import dev.flk.wal.LogRecord;
import dev.flk.wal.LogWalk;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.Iterator;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code wal cat}: prints records, without their bodies unless asked to. */
@Command(
        name = "cat",
        description = {"Prints the records of the log, oldest first; without their bodies.", ""},
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {"0:done", "1:records are missing in between, or the log can't be read", "2:wrong usage"},
        versionProvider = BuildVersion.class,
        mixinStandardHelpOptions = true)
final class WalCatCommand implements Callable<Integer> {
    /** How often to ask whether anyone still reads what is printed. */
    private static final int RECORDS_BETWEEN_CHECKS = 1_000;

    @Mixin
    private final WalSource source;

    @Option(names = "--from", paramLabel = "SEQ", description = "The first record to be printed.")
    private long from = 1;

    @Option(names = "--to", paramLabel = "SEQ", description = "The last record to be printed.")
    private long to = Long.MAX_VALUE;

    @Option(names = "--id", paramLabel = "PCS_ID", description = "Only records of this certificate.")
    private @Nullable String id;

    @Option(
            names = "--kind",
            paramLabel = "KIND",
            completionCandidates = Kinds.class,
            description = "Only records of this kind: ${COMPLETION-CANDIDATES}.")
    private @Nullable String kind;

    @Option(names = "--body", description = "With the bodies: they are what somebody submitted.")
    private boolean body;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    WalCatCommand(WalSource source) {
        this.source = source;
    }

    /** What {@code --kind} takes. */
    static final class Kinds implements Iterable<String> {
        @Override
        public Iterator<String> iterator() {
            return RecordKind.names().iterator();
        }
    }

    @Override
    public Integer call() throws IOException {
        Optional<PcsId> wanted = checkUsage();
        LogInspector inspector = source.inspector();
        PrintWriter out = spec.commandLine().getOut();
        RecordText text = source.json ? RecordText.json(body) : RecordText.columns(body);
        try (LogWalk walk = inspector.walk(from)) {
            LogRecord record = walk.next();
            if (record == null && walk.damages().isEmpty() && inspector.isEmpty()) {
                throw source.nothingThere();
            }
            out.print(text.heading());
            for (long read = 1; record != null && record.sequence() <= to; read++) {
                if (kind == null || kind.equals(RecordKind.nameOf(record.kind()))) {
                    Optional<PcsId> about = LoggedId.of(record);
                    if (wanted.isEmpty() || wanted.equals(about)) {
                        out.print(text.of(record, about));
                    }
                }
                if (read % RECORDS_BETWEEN_CHECKS == 0 && out.checkError()) {
                    return ExitCode.OK; // like head, who was printed to has seen enough
                }
                record = walk.next();
            }
            out.flush();
            return MissingText.report(walk.damages(), to, spec.commandLine().getErr());
        }
    }

    private Optional<PcsId> checkUsage() {
        if (from < 1 || to < from) {
            throw wrong("--from and --to: sequences count from 1, and the first is not behind the last");
        }
        if (kind != null && !RecordKind.names().contains(kind)) {
            throw wrong("--kind: '" + kind + "' is none; use one of " + String.join(", ", RecordKind.names()));
        }
        if (id == null) {
            return Optional.empty();
        }
        return Optional.of(PcsId.parse(id).orElseThrow(() -> wrong("--id: a pcs_id is 64 lower-case hex digits")));
    }

    private ParameterException wrong(String what) {
        return new ParameterException(spec.commandLine(), what);
    }
}
