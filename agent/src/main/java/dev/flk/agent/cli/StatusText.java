// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.agent.control.StatusReport;
import dev.flk.program.cli.InWords;
import dev.flk.program.cli.Printable;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** How an agent is, for people, at 80 columns. */
final class StatusText {
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
                InWords.bytes(report.outboxBytes()) + " of " + InWords.bytes(report.outboxMaxBytes()) + " used, "
                        + InWords.bytes(report.diskFreeBytes()) + " free");
        if (report.lostRecords() > 0) {
            text.add("lost", InWords.count(report.lostRecords(), "record") + ", by damage of the disk");
        }
        return String.join(System.lineSeparator(), text.lines);
    }

    private static String waiting(StatusReport report) {
        String waiting = InWords.count(report.pending(), "certificate") + ", " + InWords.bytes(report.pendingBytes());
        Long oldest = report.oldestPendingSeconds();
        return oldest == null ? waiting : waiting + ", the oldest for " + InWords.duration(Duration.ofSeconds(oldest));
    }

    private static String sending(StatusReport report, double rate) {
        String sending = String.format(Locale.ROOT, "%.1f a second, %d in flight", rate, report.inFlight());
        Long drain = report.drainSeconds();
        return drain == null || report.pending() == 0
                ? sending
                : sending + ", done in " + InWords.duration(Duration.ofSeconds(drain));
    }

    private void addBackend(StatusReport.Backend backend) {
        String state = (backend.answering() ? "" : "does not answer, ") + lastAnswer(backend);
        if (backend.pausedSeconds() > 0) {
            state += ", paused for " + backend.pausedSeconds() + " s";
        }
        if (Math.abs(backend.clockAheadMs()) >= 1000) {
            state += ", its clock is " + InWords.duration(Duration.ofMillis(Math.abs(backend.clockAheadMs())))
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
        return "last answered " + InWords.duration(ago.isNegative() ? Duration.ZERO : ago) + " ago";
    }

    private void add(String name, String what) {
        lines.add(Wrapped.at80(String.format(Locale.ROOT, "%-9s ", name) + Printable.of(what), 10));
    }
}
