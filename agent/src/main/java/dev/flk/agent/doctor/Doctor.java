// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.doctor;

import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.control.RunningAgent;
import dev.flk.agent.control.StatusReport;
import dev.flk.agent.outbox.DeadLetterFile;
import dev.flk.agent.outbox.Outbox.OutboxLocked;
import dev.flk.agent.outbox.OutboxInspector;
import dev.flk.agent.source.SpoolIntake;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.cli.IoMessages;
import dev.flk.program.health.Check;
import dev.flk.program.health.Directories;
import dev.flk.program.health.Finding;
import dev.flk.program.health.Finding.Grade;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** The checks of an agent's settings, files, disk and backends. The configuration must be valid. */
public final class Doctor {
    /**
     * The longest time that a certificate may wait before it is reported as a problem, as in the command {@code
     * status}.
     */
    private static final Duration LONGEST_WAIT = Duration.ofHours(1);

    private Doctor() {}

    /**
     * Runs all checks, and returns the results in the order of the checks. May block for several request timeouts per
     * backend. The configuration must have been read with {@link AgentConfig.Need#ENDPOINT} and {@link
     * AgentConfig.Need#SIGNING}.
     */
    public static List<Finding> look(AgentConfig config, InstantSource clock) throws Exception {
        List<Finding> found = new ArrayList<>(settings(config));
        List<Check> checks = new ArrayList<>(local(config));
        checks.add(new Check("records", finding -> finding.accept(records(config))));
        checks.addAll(backends(config, config.sending().requestTimeout(), clock));
        for (Check check : checks) {
            check.look().look(found::add);
        }
        return found;
    }

    /** Returns the findings about a configuration that has been read. */
    public static List<Finding> settings(AgentConfig config) {
        List<Finding> found = new ArrayList<>(List.of(Finding.good("settings", "can be read")));
        config.warnings().forEach(warning -> found.add(Finding.doubtful("settings", warning)));
        return found;
    }

    /**
     * Returns the checks of directories, the disk and the running agent. These checks do not look for damaged records.
     * If no agent runs, the check {@code agent} reads the whole outbox to count the waiting certificates.
     */
    public static List<Check> local(AgentConfig config) {
        return List.of(
                new Check(
                        "outbox",
                        found -> found.accept(
                                Directories.writable("outbox", config.outbox().directory()))),
                new Check("dead letters", found -> found.accept(deadLetters(config))),
                new Check("spool", found -> config.spoolDirectory().ifPresent(spool -> found.accept(spool(spool)))),
                new Check("disk", found -> found.accept(disk(config))),
                new Check("agent", found -> owner(config).forEach(found)));
    }

    /** Returns the checks of the backends, one for each endpoint. */
    public static List<Check> backends(AgentConfig config, Duration requestTimeout, InstantSource clock) {
        return config.sending().endpoints().stream()
                .map(endpoint -> new Check(
                        endpoint.toString(),
                        found -> new BackendChecks(config, endpoint, requestTimeout, clock, found).look()))
                .toList();
    }

    private static Finding deadLetters(AgentConfig config) {
        Path file = config.deadLetters();
        try {
            return DeadLetterFile.objection(file)
                    .map(objection -> Finding.bad("dead letters", objection))
                    .orElseGet(() -> Directories.writable("dead letters", parent(file)));
        } catch (IOException e) {
            Finding directory = Directories.writable("dead letters", parent(file));
            return directory.grade() == Grade.BAD
                    ? directory // this finding names the part of the path that is a file or is not writable
                    : Finding.bad("dead letters", file + " can't be read: " + IoMessages.reason(e));
        }
    }

    private static Finding spool(Path spool) {
        Optional<String> objection = SpoolIntake.objection(spool);
        if (objection.isPresent()) {
            return Finding.bad("spool", objection.get());
        }
        return Files.isWritable(spool)
                ? Finding.good("spool", spool.toString())
                : Finding.bad("spool", "this user may not remove files from " + spool + "; change its owner");
    }

    private static Finding disk(AgentConfig config) {
        Path there = Directories.existing(config.outbox().directory());
        long keep = config.outbox().minFreeBytes();
        try {
            long free = Directories.freeBytes(there);
            if (free < keep) {
                return Finding.bad(
                        "disk",
                        there + " has " + ErrorMessages.bytes(free) + " left, less than OUTBOX_MIN_FREE_BYTES ("
                                + ErrorMessages.bytes(keep) + "): no certificate is accepted; free space");
            }
            return free < keep + config.outbox().maxBytes()
                    ? Finding.doubtful(
                            "disk",
                            there + " has " + ErrorMessages.bytes(free) + " left; the outbox may grow to "
                                    + ErrorMessages.bytes(config.outbox().maxBytes())
                                    + "; free space, or lower OUTBOX_MAX_BYTES")
                    : Finding.good("disk", ErrorMessages.bytes(free) + " free");
        } catch (IOException e) {
            return Finding.bad("disk", "cannot be checked: " + e.getMessage());
        }
    }

    private static List<Finding> owner(AgentConfig config) {
        if (!Files.exists(config.outbox().directory())) {
            return List.of(Finding.doubtful("agent", "no agent has run with this outbox yet; start flk-agent run"));
        }
        try {
            RunningAgent agent =
                    RunningAgent.at(config.local().control(), config.outbox().directory());
            agent.requireThere();
            StatusReport status = agent.status();
            List<Finding> found = new ArrayList<>(List.of(
                    Finding.good("agent", "runs as process " + status.pid()),
                    Finding.good("agent", "accepts certificates of up to " + agent.maxBytes() + " bytes")));
            status.problems(LONGEST_WAIT).forEach(problem -> found.add(Finding.bad("agent", problem)));
            return found;
        } catch (RunningAgent.NotThere e) {
            return List.of(withoutAgent(config));
        } catch (IOException e) {
            return List.of(Finding.bad("agent", e.getMessage() + "; see its log"));
        }
    }

    private static Finding withoutAgent(AgentConfig config) {
        Path directory = config.outbox().directory();
        try {
            new OutboxInspector(directory).requireFree();
            long waiting = new OutboxInspector(directory).summary().pendingEntries();
            return waiting == 0
                    ? Finding.doubtful("agent", "no agent runs, and no certificate waits; start flk-agent run")
                    : Finding.bad(
                            "agent",
                            ErrorMessages.count(waiting, "certificate") + (waiting == 1 ? " waits" : " wait")
                                    + ", but no agent runs; start flk-agent run");
        } catch (OutboxLocked e) {
            return Finding.bad("agent", "no agent answers at " + config.local().control() + ", but " + e.getMessage());
        } catch (IOException e) {
            return Finding.bad("outbox", "cannot be read: " + e.getMessage());
        }
    }

    private static Finding records(AgentConfig config) {
        try {
            OutboxInspector.Check found = new OutboxInspector(config.outbox().directory()).check();
            return found.isComplete()
                    ? Finding.good("records", found.records() + ", none is missing")
                    : Finding.bad(
                            "records",
                            (found.missingRecords() == 0 ? "an unknown number" : Long.toString(found.missingRecords()))
                                    + " lost to damage; flk-agent fsck lists them");
        } catch (IOException e) {
            return Finding.bad("records", "cannot be read: " + e.getMessage());
        }
    }

    private static Path parent(Path file) {
        return Optional.ofNullable(file.getParent()).orElse(Path.of("."));
    }
}
