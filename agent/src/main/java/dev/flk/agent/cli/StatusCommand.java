// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.control.RunningAgent;
import dev.flk.agent.control.StatusReport;
import dev.flk.agent.follow.SourceState;
import dev.flk.agent.outbox.DeadLetterFile;
import dev.flk.agent.outbox.OutboxInspector;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.cli.Printable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

@Command(
        name = "status",
        header = "Show what waits, how fast it is sent, and what was given up.",
        description = {
            "Asks the running agent, or reads the files if none runs. Exit code 1 if the",
            "agent is not healthy: a certificate has waited for longer than --max-age, no",
            "backend answers, signatures are refused, certificates are held because of an",
            "answer that is not provably the backend's, records were lost, disk space is low,",
            "a source or one of its files is not read, or no agent runs although",
            "certificates wait, or SOURCES_FILE or SPOOL_DIR is set."
        })
final class StatusCommand implements Callable<Integer> {
    private static final int MOST_SOURCES = 20;

    private final Context context;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Option(
            names = "--max-age",
            paramLabel = "DURATION",
            defaultValue = "1h",
            description = "How long a certificate may wait (default: ${DEFAULT-VALUE}).")
    private String maxAge = "1h";

    StatusCommand(Context context) {
        this.context = context;
    }

    @Override
    public Integer call() throws Exception {
        Duration longest = Context.duration("--max-age", maxAge);
        AgentConfig config = context.config();
        StatusReport report = report(config);
        context.output(json).print(report, found -> text(found, Instant.now()));
        List<String> problems = problems(report, longest, config);
        problems.forEach(problem -> context.complain("not healthy: " + problem));
        return problems.isEmpty() ? 0 : 1;
    }

    private static StatusReport report(AgentConfig config) throws IOException {
        try {
            return RunningAgent.at(config.local().control(), config.outbox().directory())
                    .status();
        } catch (RunningAgent.NotThere e) {
            return ofFiles(config);
        }
    }

    private static StatusReport ofFiles(AgentConfig config) throws IOException {
        OutboxInspector.Summary outbox = new OutboxInspector(config.outbox().directory()).summary();
        return new StatusReport(
                null,
                config.outbox().directory().toString(),
                StatusReport.Waiting.of(
                        outbox.pendingEntries(),
                        outbox.pendingBytes(),
                        outbox.oldest().map(entry -> Instant.ofEpochMilli(entry.addedMillis())),
                        Instant.now()),
                StatusReport.Sending.UNKNOWN,
                config.deadLetters().toString(),
                DeadLetterFile.count(config.deadLetters()),
                outbox.lostRecords(),
                new StatusReport.Disk(
                        outbox.usedBytes(),
                        config.outbox().maxBytes(),
                        freeBytes(config),
                        config.outbox().minFreeBytes()),
                null);
    }

    private static long freeBytes(AgentConfig config) throws IOException {
        Path there = config.outbox().directory().toAbsolutePath();
        while (there.getParent() != null && !Files.exists(there)) {
            there = there.getParent();
        }
        return Files.getFileStore(there).getUsableSpace();
    }

    private static List<String> problems(StatusReport report, Duration longest, AgentConfig config) {
        List<String> problems = new ArrayList<>(report.problems(longest));
        if (report.pid() == null && report.waiting().pending() > 0) {
            problems.add("certificates wait, but no agent runs; start flk-agent run");
        } else if (report.pid() == null && config.sourcesFile().isPresent()) {
            problems.add("no agent runs, so nothing of SOURCES_FILE is read; start flk-agent run");
        } else if (report.pid() == null && config.spoolDirectory().isPresent()) {
            problems.add("no agent runs, so nothing of SPOOL_DIR is sent; start flk-agent run");
        }
        if (report.disk().diskFreeBytes() < report.disk().diskMinFreeBytes()) {
            problems.add("the disk has " + ErrorMessages.bytes(report.disk().diskFreeBytes()) + " left, less than"
                    + " OUTBOX_MIN_FREE_BYTES; no certificate is accepted");
        }
        return problems;
    }

    /** Formats a status for people, at 80 columns. */
    static String text(StatusReport report, Instant now) {
        StringBuilder text = new StringBuilder();
        add(text, "agent", report.pid() == null ? "does not run" : "runs as process " + report.pid());
        add(text, "outbox", report.outbox());
        Long oldest = report.waiting().oldestPendingSeconds();
        add(
                text,
                "waiting",
                ErrorMessages.count(report.waiting().pending(), "certificate") + ", "
                        + ErrorMessages.bytes(report.waiting().pendingBytes())
                        + (oldest == null ? "" : ", the oldest for " + duration(oldest)));
        if (report.sending().settledPerSecond() != null) {
            add(
                    text,
                    "sending",
                    String.format(
                                    Locale.ROOT,
                                    "%.1f a second, %d in flight",
                                    report.sending().settledPerSecond(),
                                    report.sending().inFlight())
                            + drain(report));
        }
        for (StatusReport.Backend backend :
                Objects.requireNonNullElse(report.sending().backends(), List.<StatusReport.Backend>of())) {
            add(text, "backend", backend.url());
            add(text, "", backend(backend, now));
            if (backend.lastError() != null) {
                add(text, "", "last error " + backend.lastErrorAt() + ":");
                add(text, "", backend.lastError().replaceAll("(\\S{60})\\S{10,}", "$1…"));
            }
        }
        if (report.sending().heldSignatures() != null) {
            add(
                    text,
                    "refused",
                    ErrorMessages.count(report.sending().heldSignatures().certificates(), "certificate")
                            + " held because of a refused signature");
        }
        if (report.sending().held() != null) {
            add(
                    text,
                    "held",
                    ErrorMessages.count(report.sending().held().certificates(), "certificate") + ": "
                            + report.sending().held().because());
        }
        List<SourceState> sources = Objects.requireNonNullElse(report.sources(), List.of());
        sources.stream()
                .sorted(Comparator.comparing(source -> source.problem() == null))
                .limit(MOST_SOURCES)
                .forEach(source -> add(text, "source", source(source)));
        if (sources.size() > MOST_SOURCES) {
            add(text, "", "and " + (sources.size() - MOST_SOURCES) + " more sources; --json prints all");
        }
        add(text, "given up", report.dlqEntries() + " in " + report.dlq());
        add(
                text,
                "disk",
                ErrorMessages.bytes(report.disk().outboxBytes()) + " of "
                        + ErrorMessages.bytes(report.disk().outboxMaxBytes()) + " used, "
                        + ErrorMessages.bytes(report.disk().diskFreeBytes()) + " free");
        if (report.lostRecords() > 0) {
            add(text, "lost", ErrorMessages.count(report.lostRecords(), "record") + ", because of disk damage");
        }
        return text.toString();
    }

    /** Describes when nothing will wait, as a continuation of a sentence. */
    private static String drain(StatusReport report) {
        Long seconds = report.sending().drainSeconds();
        if (report.waiting().pending() == 0) {
            return "";
        }
        return report.sending().lacksAnswers()
                ? ", no backend answers"
                : seconds == null ? "" : ", empty in " + duration(seconds);
    }

    private static String backend(StatusReport.Backend backend, Instant now) {
        long ahead = backend.clockAheadMs();
        return (backend.answering() ? "" : "does not answer, ")
                + lastAnswer(backend, now)
                + (backend.pausedSeconds() > 0 ? ", paused for " + backend.pausedSeconds() + " s" : "")
                + (Math.abs(ahead) < 1000
                        ? ""
                        : ", its clock is " + duration(Math.abs(ahead) / 1000) + (ahead > 0 ? " ahead" : " behind"));
    }

    /**
     * Describes when the backend last answered. A backend without an answer and without an error is described as not
     * contacted yet, because the sender contacts no backend while no certificate is waiting.
     */
    private static String lastAnswer(StatusReport.Backend backend, Instant now) {
        if (backend.lastAnsweredAt() == null) {
            return backend.answering() && backend.lastError() == null ? "not contacted yet" : "no answer yet";
        }
        Duration ago = Duration.between(Instant.parse(backend.lastAnsweredAt()), now);
        return "last answered " + duration(Math.max(0, ago.toSeconds())) + " ago";
    }

    private static String source(SourceState source) {
        StringBuilder text = new StringBuilder(source.name() + ": ");
        Map<String, Long> counts = new LinkedHashMap<>();
        counts.put("file", source.files());
        counts.put("shard", source.shards());
        counts.put("waiting row", source.openRows());
        counts.put("bad line", source.badLines());
        counts.values().removeIf(count -> count == 0);
        counts.forEach(
                (what, count) -> text.append(ErrorMessages.count(count, what)).append(", "));
        text.append(ErrorMessages.count(source.windows(), "window")).append(" certified");
        return text.append(source.problem() == null ? "" : "; " + source.problem())
                .toString();
    }

    private static String duration(long seconds) {
        return ErrorMessages.duration(Duration.ofSeconds(seconds));
    }

    private static void add(StringBuilder text, String label, String value) {
        text.append(Context.at80(String.format(Locale.ROOT, "%-9s ", label) + Printable.of(value), 10))
                .append(System.lineSeparator());
    }
}
