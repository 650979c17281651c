// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import dev.flk.backend.config.BackendConfig;
import dev.flk.backend.operate.cli.options.Configuration;
import dev.flk.backend.operate.cli.remote.RunningBackend;
import dev.flk.backend.operate.health.BackendHealth;
import dev.flk.program.health.Check;
import dev.flk.program.health.Finding;
import dev.flk.program.health.HealthCommand;
import java.net.URI;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import picocli.CommandLine.Command;

/** The command {@code health}. */
@Command(
        name = "health",
        description = {
            "Asks the backend and all that it depends on, within ten seconds.",
            "",
            "It asks all at once: the running backend, Redis, Postgres, Kafka, the disks,",
            " clocks, keys, and when TLS certificates expire. It prints a line for",
            "each with the time it took: ok, ? for something that may soon fail, or BAD. In",
            "Redis it writes one key, which expires after a second; otherwise it changes",
            "nothing.",
            ""
        },
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {"0:nothing is bad", "1:something is bad, even the configuration", "2:wrong usage"})
final class BackendHealthCommand extends HealthCommand {
    private final Configuration config;
    private final InstantSource clock;

    BackendHealthCommand(Configuration config, InstantSource clock) {
        super(CommandLineProgram.NAME);
        this.config = config;
        this.clock = clock;
    }

    @Override
    protected List<Check> checks(Consumer<Finding> found) {
        BackendConfig read = config.loadQuietly();
        found.accept(Finding.good("settings", "can be read"));
        read.warnings().forEach(warning -> found.accept(Finding.doubtful("settings", warning)));
        return BackendHealth.checks(
                read,
                Optional.of(URI.create(RunningBackend.url(read))).filter(url -> url.getPort() != 0),
                REQUEST_TIMEOUT,
                clock);
    }
}
