// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.doctor;

import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.control.RunningAgent;
import dev.flk.agent.doctor.Doctor.Finding;
import dev.flk.agent.outbox.DeadLetterFile;
import dev.flk.agent.outbox.Outbox.OutboxLocked;
import dev.flk.agent.outbox.OutboxInspector;
import dev.flk.agent.source.SpoolIntake;
import dev.flk.program.cli.ErrorMessages;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** The checks of an agent's settings, files, disk and backends. The configuration must be valid. */
public final class Doctor {
    private Doctor() {}

    /**
     * Runs all checks, and returns the results in the order of the checks. May block for several request timeouts per
     * backend. The configuration must have been read with {@link AgentConfig.Need#ENDPOINT} and {@link
     * AgentConfig.Need#SIGNING}.
     */
    public static List<Finding> look(AgentConfig config, InstantSource clock) throws InterruptedException {
        List<Finding> found = new ArrayList<>();
        found.add(Finding.good("settings", "can be read"));
        config.warnings().forEach(warning -> found.add(Finding.doubtful("settings", warning)));
        found.add(directory("outbox", config.outbox().directory()));
        found.add(deadLetters(config));
        config.spoolDirectory().ifPresent(spool -> found.add(spool(spool)));
        found.add(disk(config));
        found.add(owner(config));
        found.add(records(config));
        for (URI endpoint : config.sending().endpoints()) {
            found.addAll(new BackendChecks(config, endpoint, clock).look());
        }
        return found;
    }

    /**
     * The result of a check.
     *
     * @param subject the checked object
     * @param text the result of the check; usually also what to do, unless the grade is {@link Grade#GOOD}
     */
    public record Finding(Grade grade, String subject, String text) {
        /** The grade of a finding. */
        public enum Grade {
            GOOD,
            DOUBTFUL,
            BAD
        }

        static Finding good(String subject, String text) {
            return new Finding(Grade.GOOD, subject, text);
        }

        static Finding doubtful(String subject, String text) {
            return new Finding(Grade.DOUBTFUL, subject, text);
        }

        static Finding bad(String subject, String text) {
            return new Finding(Grade.BAD, subject, text);
        }
    }

    private static Finding directory(String subject, Path directory) {
        Path there = existing(directory);
        if (!Files.isDirectory(there)) {
            return Finding.bad(subject, there + " is a file, but must be a directory");
        }
        if (!Files.isWritable(there)) {
            return Finding.bad(
                    subject, "this user may not write to " + there + "; change its owner, or run as another user");
        }
        return Finding.good(subject, directory + (there.equals(directory) ? "" : " will be created"));
    }

    private static Finding deadLetters(AgentConfig config) {
        Path file = config.deadLetters();
        try {
            return DeadLetterFile.objection(file)
                    .map(objection -> Finding.bad("dead letters", objection))
                    .orElseGet(() -> directory("dead letters", parent(file)));
        } catch (IOException e) {
            return directory("dead letters", parent(file)); // names the obstacle in the path
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
        Path there = existing(config.outbox().directory());
        long keep = config.outbox().minFreeBytes();
        try {
            long free = Files.getFileStore(there).getUsableSpace();
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

    private static Finding owner(AgentConfig config) {
        if (!Files.exists(config.outbox().directory())) {
            return Finding.doubtful("agent", "no agent has run with this outbox yet; start flk-agent run");
        }
        try {
            RunningAgent agent =
                    RunningAgent.at(config.local().control(), config.outbox().directory());
            return Finding.good("agent", "runs as process " + agent.status().pid());
        } catch (RunningAgent.NotThere e) {
            return withoutAgent(config);
        } catch (IOException e) {
            return Finding.bad("agent", e.getMessage() + "; see its log");
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

    /** Returns the directory if it exists; otherwise, returns the nearest ancestor of the directory that exists. */
    private static Path existing(Path directory) {
        Path there = directory.toAbsolutePath().normalize();
        while (!Files.exists(there) && there.getParent() != null) {
            there = there.getParent();
        }
        return there.equals(directory.toAbsolutePath().normalize()) ? directory : there;
    }
}
