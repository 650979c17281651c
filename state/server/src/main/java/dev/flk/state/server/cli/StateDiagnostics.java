// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.server.cli;

import dev.flk.backend.serve.guard.OpsConfig;
import dev.flk.program.config.Diagnosed;
import dev.flk.program.diagnostics.DiagnosticsArchive;
import dev.flk.program.diagnostics.DiagnosticsCommand;
import dev.flk.state.server.cli.StateProgram.BuildVersion;
import dev.flk.state.server.config.ServerConfig;
import java.io.IOException;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Command;

/** The command {@code diagnostics}, which writes one archive for a bug report. */
@Command(
        name = "diagnostics",
        description = {
            "Writes one archive with everything that a bug report needs.",
            "",
            "It contains versions, disks, the configuration without secrets, the metrics and",
            "readiness of the running program, threads and memory if DEBUG is on, and the",
            "ends of log files. It changes nothing and works without a running program.",
            "",
            "Run it with the configuration of that program: the secrets in it are removed",
            "from all parts of the archive, including log files.",
            ""
        },
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {"0:done", "1:the archive can't be written, or exists already", "2:wrong usage"})
final class StateDiagnostics extends DiagnosticsCommand {
    private final Configuration config;
    private final InstantSource clock;

    StateDiagnostics(Configuration config, InstantSource clock) {
        super(StateProgram.NAME);
        this.config = config;
        this.clock = clock;
    }

    @Override
    protected String write() throws IOException {
        Diagnosed<ServerConfig> known = config.read(ServerConfig::diagnose);
        return write(clock.instant(), known.secrets(), archive -> fill(archive, known));
    }

    private void fill(DiagnosticsArchive archive, Diagnosed<ServerConfig> known) throws IOException {
        archive.addMachine(
                BuildVersion.text(),
                known.config().map(StateDiagnostics::directories).orElse(List.of()));
        archive.add("config.txt", known::text);
        if (known.config().isPresent()) {
            ServerConfig valid = known.config().get();
            List<String> pages = new ArrayList<>(List.of("health", "readyz", "metrics"));
            if (valid.ops().map(OpsConfig::debug).orElse(false)) {
                pages.addAll(List.of("debug/threads", "debug/heap"));
            }
            for (String page : pages) {
                archive.add(page.replace("debug/", "") + ".txt", () -> page(valid, page));
            }
        }
    }

    private String page(ServerConfig valid, String page) throws IOException {
        if (valid.ops().isEmpty() && valid.tls().isPresent()) {
            return "not fetched, because the program uses TLS and OPS_PORT is not set; fetch it by hand:\n"
                    + "curl --cacert AUTHORITY https://HOST:%d/%s\n".formatted(valid.port(), page);
        }
        boolean isOpen = page.equals("health") || page.equals("readyz");
        return client.get(
                RunningState.url(valid) + "/" + page,
                isOpen
                        ? Optional.empty()
                        : valid.login().map(login -> ServerConfig.basic(login).text()));
    }

    private static List<Path> directories(ServerConfig config) {
        List<Path> directories = new ArrayList<>(List.of(config.auditDir()));
        config.state().flatMap(state -> state.directory()).ifPresent(directories::add);
        directories.add(Path.of(System.getProperty("java.io.tmpdir")));
        return directories;
    }
}
