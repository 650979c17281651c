// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.server.cli;

import dev.flk.backend.access.look.AccessLook;
import dev.flk.backend.access.look.RunningProcess;
import dev.flk.backend.sessions.SessionConfig;
import dev.flk.backend.state.StateConfig;
import dev.flk.backend.stores.postgres.PoolMetrics.Pool;
import dev.flk.backend.stores.postgres.PostgresLook;
import dev.flk.backend.stores.redis.RedisProbe;
import dev.flk.program.health.CertificateExpiry;
import dev.flk.program.health.Check;
import dev.flk.program.health.Directories;
import dev.flk.program.health.Finding;
import dev.flk.program.health.HealthCommand;
import dev.flk.program.logging.LogOutput.LogConfig;
import dev.flk.state.server.config.ServerConfig;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** The command {@code health}. */
@Command(
        name = "health",
        description = {
            "Asks the program and all that it depends on, within ten seconds.",
            "",
            "It asks all at once: the running program, its state, Redis, Postgres, the disks,",
            "keys, and when TLS certificates expire. It prints a line for each with the time",
            "it took: ok, ? for something that may soon fail, or BAD. In Redis it writes one",
            "key, which expires after a second; otherwise it changes nothing.",
            ""
        },
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {"0:nothing is bad", "1:something is bad, even the configuration", "2:wrong usage"})
final class StateHealthCommand extends HealthCommand {
    private static final String PROGRAM = "flk-state";
    /** The largest difference between two clocks that is not reported as bad, as in {@code postgres check}. */
    private static final Duration NOTEWORTHY = Duration.ofSeconds(5);

    private final Configuration config;
    private final InstantSource clock;

    @Option(
            names = "--url",
            paramLabel = "URL",
            description = "Ask only the state at this address, such as http://127.0.0.1:50051.")
    private @Nullable String url;

    StateHealthCommand(Configuration config, InstantSource clock) {
        super(StateProgram.NAME);
        this.config = config;
        this.clock = clock;
    }

    @Override
    protected List<Check> checks(Consumer<Finding> found) {
        if (url != null) {
            Configuration.logOnlyErrors(LogConfig.Format.TEXT);
            URI address = URI.create(url.contains("://") ? url : "grpc://" + url);
            RunningProcess asked = new RunningProcess(Optional.empty(), REQUEST_TIMEOUT, PROGRAM);
            return List.of(new Check("state", each -> StateLook.at(asked, address, REQUEST_TIMEOUT, each)));
        }
        ServerConfig read = config.loadQuietly();
        found.accept(Finding.good("settings", "can be read"));
        read.warnings().forEach(warning -> found.accept(Finding.doubtful("settings", warning)));
        RunningProcess process = new RunningProcess(read.tls(), REQUEST_TIMEOUT, PROGRAM);
        List<Check> checks = new ArrayList<>();
        URI probes = URI.create(RunningState.url(read));
        checks.add(new Check(PROGRAM, each -> {
            if (probes.getPort() == 0) {
                each.accept(
                        Finding.doubtful(PROGRAM, "is not asked, because its port is 0: only its log names the port"));
            } else {
                process.askReadiness(probes, each);
            }
        }));
        read.state()
                .filter(state -> state.port() != 0)
                .map(state -> URI.create("grpc://" + RunningState.address(state.bindAddress(), state.port())))
                .ifPresent(address ->
                        checks.add(new Check("state", each -> StateLook.at(process, address, REQUEST_TIMEOUT, each))));
        read.sessions()
                .flatMap(SessionConfig::redis)
                .ifPresent(server ->
                        checks.add(new Check("redis", each -> RedisProbe.look(server, clock, NOTEWORTHY, each))));
        read.state()
                .flatMap(StateConfig::postgres)
                .ifPresent(server -> checks.add(new Check(
                        "postgres",
                        each -> PostgresLook.at("postgres", server, Set.of(Pool.STATE), PROGRAM, clock, each))));
        read.sessions()
                .flatMap(SessionConfig::database)
                .ifPresent(server -> checks.add(new Check(
                        "sessions", each -> PostgresLook.atSessions("sessions", server, PROGRAM, clock, each))));
        checks.add(new Check("disk", each -> disk(read, each)));
        checks.add(new Check("keys", each -> AccessLook.keys(read.signing(), clock, each)));
        read.tls()
                .ifPresent(tls ->
                        checks.add(new Check(CertificateExpiry.SUBJECT, each -> AccessLook.tls(tls, clock, each))));
        return checks;
    }

    private static void disk(ServerConfig config, Consumer<Finding> found) throws IOException {
        Optional<Path> directory = config.state()
                .flatMap(
                        state -> state.directory().or(() -> state.knownHistory().map(Path::getParent)));
        if (directory.isPresent()) {
            found.accept(Directories.space(
                    "STATE_DIR",
                    directory.get(),
                    "STATE_MIN_FREE_BYTES",
                    config.state().get().engine().minFreeBytes(),
                    "no state is written"));
        }
        found.accept(Directories.space("AUDIT_DIR", config.auditDir(), "", 0, ""));
    }
}
