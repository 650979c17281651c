// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests that the programs report to systemd that they accept requests. */
final class ServiceReadinessIT {
    /** Prints the first report that arrives at the socket that systemd would open. */
    private static final String SYSTEMD = """
            import socket, sys
            server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            server.bind(sys.argv[1])
            print(server.recv(1024).decode())
            """;

    @TempDir
    private Path directory;

    private Path socket;
    private HostProgram python;

    @BeforeEach
    void findPrograms() {
        socket = directory.resolve("notify");
        python = HostProgram.orSkip("python3", "python3", directory);
        HostProgram.orSkip("systemd-notify", "systemd", directory);
    }

    @Test
    void backend_reportsReadinessWhenItsPortAnswers() throws Exception {
        Process systemd = systemd();
        try (BackendProcess backend = BackendProcess.start(directory, Map.of("NOTIFY_SOCKET", socket.toString()))) {
            assertThat(report(systemd)).isEqualTo("READY=1\n");
            assertThat(new Client(backend.url()).get("/health").status()).isEqualTo(200);
            assertThat(backend.allLines()).doesNotContain("could not be reported");
        }
    }

    @Test
    void agent_reportsReadinessWhenItsSocketAnswers() throws Exception {
        AgentHome home = AgentHome.in(Files.createDirectory(directory.resolve("agent")));
        Map<String, String> environment = new HashMap<>(home.sendingNowhere());
        environment.put("NOTIFY_SOCKET", socket.toString());
        Process systemd = systemd();
        try (Program agent = home.start(environment, "run")) {
            assertThat(report(systemd)).as(agent.allLines()).isEqualTo("READY=1\n");
            assertThat(home.status().path("pending").asInt()).isZero();
        }
    }

    private Process systemd() throws Exception {
        Process started = new ProcessBuilder(List.of(python.path().toString(), "-c", SYSTEMD, socket.toString()))
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        while (!Files.exists(socket) && started.isAlive()) {
            Thread.onSpinWait();
        }
        return started;
    }

    private static String report(Process systemd) throws Exception {
        return new String(systemd.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    }
}
