// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.config.AgentConfig.Need;
import dev.flk.agent.run.Agent;
import dev.flk.agent.send.Sender.Surroundings;
import dev.flk.program.cli.ReloadSignal;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.health.ServiceReadiness;
import java.io.IOException;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

@Command(
        name = "run",
        header = "Send the certificates in the outbox to the backend.",
        description = {
            "Sends the certificates in the outbox, and those in files that arrive in",
            "SPOOL_DIR, until it is stopped (SIGTERM). SIGHUP reloads the configuration and",
            "the key."
        })
final class RunCommand implements Callable<Integer> {
    private static final Logger LOG = LoggerFactory.getLogger(RunCommand.class);

    /**
     * The longest wait for the agent to stop after SIGTERM. The process must end within 10 s; the remaining half second
     * is reserved for the exit of the JVM.
     */
    private static final long LONGEST_END_MILLIS = 9_500;

    private final Context context;

    @Option(
            names = "--until-empty",
            description = {
                "Exit as soon as no certificate waits; for cron, and for trials.",
                "Exit code 1 if files in SPOOL_DIR or of a source could not be read."
            })
    private boolean untilEmpty;

    RunCommand(Context context) {
        this.context = context;
    }

    @Override
    public Integer call() throws Exception {
        AgentConfig config = context.config(Need.ENDPOINT, Need.SIGNING);
        config.requireSpoolDirectory();
        CountDownLatch ended = new CountDownLatch(1);
        try (Agent agent = open(config)) {
            Runtime.getRuntime().addShutdownHook(new Thread(() -> end(agent, ended), "shutdown"));
            readAgainOnHangUp(agent);
            ServiceReadiness.report();
            if (untilEmpty) {
                agent.runUntilEmpty();
                requireOwned(agent);
                agent.leftBehind().forEach(context::complain);
                return agent.leftBehind().isEmpty() ? 0 : 1;
            } else {
                agent.run();
                requireOwned(agent);
            }
        } finally {
            ended.countDown();
        }
        return 0;
    }

    private static void requireOwned(Agent agent) throws IOException {
        if (agent.lockLost().isPresent()) {
            throw agent.lockLost().get();
        }
    }

    /** Makes SIGHUP reload the configuration and the key. An invalid configuration changes nothing. */
    private void readAgainOnHangUp(Agent agent) {
        ReloadSignal reloadSignal = ReloadSignal.listen();
        reloadSignal
                .problem()
                .ifPresent(problem -> LOG.warn("{}; restart the agent to change its configuration", problem));
        reloadSignal.add(() -> {
            try {
                agent.reload(context.config(Need.ENDPOINT, Need.SIGNING));
            } catch (InvalidConfig e) {
                e.problems().forEach(problem -> LOG.error("SIGHUP: {}; the agent keeps its configuration", problem));
            }
        });
    }

    private static Agent open(AgentConfig config) throws IOException {
        Surroundings surroundings = Surroundings.real();
        return OutboxAccess.retrying(() -> Agent.open(config, surroundings));
    }

    private void end(Agent agent, CountDownLatch ended) {
        agent.stop();
        try {
            if (!ended.await(LONGEST_END_MILLIS, TimeUnit.MILLISECONDS)) {
                context.complain("the agent did not stop within " + LONGEST_END_MILLIS
                        + " ms, perhaps because a disk hangs; exiting without waiting any longer");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
