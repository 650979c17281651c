// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.control.RunningAgent;
import dev.flk.agent.control.StatusReport;
import dev.flk.agent.outbox.DeadLetterFile;
import dev.flk.agent.outbox.OutboxView;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.cli.Json;
import dev.flk.program.cli.Printable;
import dev.flk.program.config.Quantities;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

@Command(
        name = "status",
        header = "Tell what waits, how sending goes, and what was given up.",
        description = {
            "Asks the running agent; without one it reads the files. Exit code 1 if that is",
            "not healthy: something has waited for longer than --max-age, no backend",
            "answers, signatures are refused, records were lost, or the disk is short."
        })
final class StatusCommand implements Callable<Integer> {
    private final Context context;

    @Option(names = "--json", description = "As one JSON object.")
    private boolean json;

    @Option(
            names = "--max-age",
            paramLabel = "DURATION",
            defaultValue = "1h",
            description = "How long a certificate may wait; preset: ${DEFAULT-VALUE}.")
    private String maxAge = "1h";

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it
    private CommandSpec spec;

    StatusCommand(Context context) {
        this.context = context;
    }

    @Override
    public Integer call() throws Exception {
        Duration longest = longest();
        AgentConfig config = context.config();
        StatusReport report = report(config);
        context.out().println(json ? Json.line(report).strip() : StatusText.of(report, Instant.now()));
        List<String> problems = problems(report, longest);
        problems.forEach(problem -> context.complain("not healthy: " + problem));
        return problems.isEmpty() ? 0 : 1;
    }

    private Duration longest() {
        try {
            return Quantities.duration(maxAge);
        } catch (IllegalArgumentException e) {
            throw new ParameterException(spec.commandLine(), "--max-age: the value is " + e.getMessage(), e);
        }
    }

    private static StatusReport report(AgentConfig config) throws IOException {
        try (RunningAgent agent =
                RunningAgent.at(config.controlSocket(), config.outbox().directory())) {
            return agent.status();
        } catch (RunningAgent.NotThere e) {
            return ofFiles(config);
        }
    }

    private static StatusReport ofFiles(AgentConfig config) throws IOException {
        OutboxView outbox = OutboxView.read(config.outbox().directory());
        Optional<Instant> oldest = outbox.oldest().map(entry -> Instant.ofEpochMilli(entry.addedMillis()));
        return new StatusReport(
                null,
                config.outbox().directory().toString(),
                outbox.pendingEntries(),
                outbox.pendingBytes(),
                oldest.map(Instant::toString).orElse(null),
                oldest.map(added -> Math.max(
                                0, Duration.between(added, Instant.now()).toSeconds()))
                        .orElse(null),
                null,
                null,
                null,
                null,
                null,
                config.deadLetters().toString(),
                DeadLetterFile.count(config.deadLetters()),
                outbox.lostRecords(),
                outbox.usedBytes(),
                config.outbox().maxBytes(),
                freeBytes(config),
                config.outbox().minFreeBytes());
    }

    private static long freeBytes(AgentConfig config) throws IOException {
        Path there = config.outbox().directory().toAbsolutePath();
        while (there.getParent() != null && !Files.exists(there)) {
            there = there.getParent();
        }
        return Files.getFileStore(there).getUsableSpace();
    }

    private static List<String> problems(StatusReport report, Duration longest) {
        List<String> problems = new ArrayList<>();
        Long oldest = report.oldestPendingSeconds();
        if (oldest != null && oldest > longest.toSeconds()) {
            problems.add("the oldest certificate has waited for " + ErrorMessages.duration(Duration.ofSeconds(oldest))
                    + ", more than " + ErrorMessages.duration(longest));
        }
        if (report.pid() == null && report.pending() > 0) {
            problems.add("certificates wait, and no agent runs; start flk-agent run");
        }
        List<StatusReport.Backend> backends = report.backends();
        if (backends != null && report.pending() > 0 && backends.stream().noneMatch(StatusReport.Backend::answering)) {
            problems.add("no backend answers; flk-agent doctor looks for the cause");
        }
        Long held = report.heldShards();
        if (held != null && held > 0) {
            problems.add("the backend refuses the signatures of " + ErrorMessages.count(held, "shard")
                    + "; check PCS_SIGN_ALG and the key");
        }
        if (report.lostRecords() > 0) {
            problems.add("the disk has lost " + ErrorMessages.count(report.lostRecords(), "record")
                    + "; flk-agent fsck tells which");
        }
        if (report.diskFreeBytes() < report.diskMinFreeBytes()) {
            problems.add("the disk has " + ErrorMessages.bytes(report.diskFreeBytes()) + " left, less than"
                    + " OUTBOX_MIN_FREE_BYTES; nothing new is taken");
        }
        if (report.outboxBytes() > report.outboxMaxBytes() - report.outboxMaxBytes() / 10) {
            problems.add("the outbox has " + ErrorMessages.bytes(report.outboxBytes()) + " of "
                    + ErrorMessages.bytes(report.outboxMaxBytes()) + "; soon nothing new is taken");
        }
        return problems;
    }

    /** How an agent is, for people, at 80 columns. */
    static final class StatusText {
        private final List<String> lines = new ArrayList<>();

        private final Instant now;

        private StatusText(Instant now) {
            this.now = now;
        }

        static String of(StatusReport report, Instant now) {
            StatusText text = new StatusText(now);
            text.add("agent", report.pid() == null ? "none runs" : "runs as process " + report.pid());
            text.add("outbox", report.outbox());
            text.add("waiting", waiting(report));
            Double rate = report.settledPerSecond();
            if (rate != null) {
                text.add("sending", sending(report, rate));
            }
            List<StatusReport.Backend> backends = report.backends();
            if (backends != null) {
                backends.forEach(text::addBackend);
            }
            text.add("given up", report.dlqEntries() + " in " + report.dlq());
            text.add(
                    "disk",
                    ErrorMessages.bytes(report.outboxBytes()) + " of " + ErrorMessages.bytes(report.outboxMaxBytes())
                            + " used, " + ErrorMessages.bytes(report.diskFreeBytes()) + " free");
            if (report.lostRecords() > 0) {
                text.add("lost", ErrorMessages.count(report.lostRecords(), "record") + ", by damage of the disk");
            }
            return String.join(System.lineSeparator(), text.lines);
        }

        private static String waiting(StatusReport report) {
            String waiting = ErrorMessages.count(report.pending(), "certificate") + ", "
                    + ErrorMessages.bytes(report.pendingBytes());
            Long oldest = report.oldestPendingSeconds();
            return oldest == null
                    ? waiting
                    : waiting + ", the oldest for " + ErrorMessages.duration(Duration.ofSeconds(oldest));
        }

        private static String sending(StatusReport report, double rate) {
            String sending = String.format(Locale.ROOT, "%.1f a second, %d in flight", rate, report.inFlight());
            Long drain = report.drainSeconds();
            return drain == null || report.pending() == 0
                    ? sending
                    : sending + ", done in " + ErrorMessages.duration(Duration.ofSeconds(drain));
        }

        private void addBackend(StatusReport.Backend backend) {
            String state = (backend.answering() ? "" : "does not answer, ") + lastAnswer(backend);
            if (backend.pausedSeconds() > 0) {
                state += ", paused for " + backend.pausedSeconds() + " s";
            }
            if (Math.abs(backend.clockAheadMs()) >= 1000) {
                state += ", its clock is " + ErrorMessages.duration(Duration.ofMillis(Math.abs(backend.clockAheadMs())))
                        + (backend.clockAheadMs() > 0 ? " ahead" : " behind");
            }
            add("backend", backend.url());
            add("", state);
            if (backend.lastError() != null) {
                add("", "last error " + backend.lastErrorAt() + ":");
                add("", backend.lastError().replaceAll("(\\S{60})\\S{10,}", "$1…"));
            }
        }

        /** What is known: nobody asks a backend while nothing waits. */
        private String lastAnswer(StatusReport.Backend backend) {
            if (backend.lastAnsweredAt() == null) {
                return backend.answering() && backend.lastError() == null ? "not asked yet" : "no answer yet";
            }
            Duration ago = Duration.between(Instant.parse(backend.lastAnsweredAt()), now);
            return "last answered " + ErrorMessages.duration(ago.isNegative() ? Duration.ZERO : ago) + " ago";
        }

        private void add(String name, String what) {
            lines.add(Context.at80(String.format(Locale.ROOT, "%-9s ", name) + Printable.of(what), 10));
        }
    }
}
