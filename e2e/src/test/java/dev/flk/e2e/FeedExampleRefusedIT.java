// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of {@code examples/feed} with a backend that refuses what it is asked. */
final class FeedExampleRefusedIT {
    private static final Path PROGRAM =
            Built.root().resolve("examples/feed/outcomes-to-postgres.py").normalize();
    private static final int REFUSALS = 3;

    @TempDir
    private Path directory;

    private HttpServer server;
    private final List<String> queries = new CopyOnWriteArrayList<>();

    @BeforeEach
    void start() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/v1/outcomes/changes", exchange -> {
            queries.add(exchange.getRequestURI().getQuery());
            boolean isRefused = queries.size() <= REFUSALS;
            byte[] body = (isRefused ? "{\"error\":\"compacted\"}" : "{\"pcs_id\":\"7\"}\n")
                    .getBytes(StandardCharsets.US_ASCII);
            exchange.getResponseHeaders().add("X-Flk-Cursor", "later");
            exchange.sendResponseHeaders(isRefused ? 410 : 200, body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
        });
        server.start();
    }

    @AfterEach
    void stop() {
        server.stop(0);
    }

    @Test
    void cursorAndTheBeginningAreRefused_pausesThatGrow_thenCopies() throws Exception {
        HostProgram python = HostProgram.orSkip("python3", "python3", directory);

        String output = python.succeed(
                PROGRAM.toString(),
                "--print",
                "--once",
                "--after",
                "old",
                "--url",
                "http://127.0.0.1:" + server.getAddress().getPort());

        assertThat(queries)
                .containsExactly(
                        "limit=1000&cursor=old", "limit=1000&cursor=", "limit=1000&cursor=", "limit=1000&cursor=");
        assertThat(output.lines())
                .containsExactly(
                        "beginning again, 410: {\"error\":\"compacted\"}",
                        "410: {\"error\":\"compacted\"}; trying again in 1 s",
                        "410: {\"error\":\"compacted\"}; trying again in 2 s",
                        "{\"pcs_id\":\"7\"}");
    }

    @Test
    void noBackend_once_ends() throws Exception {
        HostProgram python = HostProgram.orSkip("python3", "python3", directory);
        int port = server.getAddress().getPort();
        stop();

        HostProgram.Ended ended =
                python.run(PROGRAM.toString(), "--print", "--once", "--url", "http://127.0.0.1:" + port);

        assertThat(ended.exitCode()).isEqualTo(1);
        assertThat(ended.output().lines()).hasSize(4).last().asString().endsWith("ending, because of --once");
    }

    @Test
    void psycopgIsMissing_namesThePackage() throws Exception {
        HostProgram python = HostProgram.orSkip("python3", "python3", directory);

        HostProgram.Ended ended = python.run("-S", PROGRAM.toString(), "--once"); // -S: without installed packages

        assertThat(ended.exitCode()).isOne();
        assertThat(ended.output())
                .isEqualTo("psycopg 3 is missing; install the package python3-psycopg, or use --print\n");
    }

    @Test
    void noBackendListens_messageNamesTheAddress() throws Exception {
        HostProgram python = HostProgram.orSkip("python3", "python3", directory);
        server.stop(0);
        String url = "http://127.0.0.1:" + server.getAddress().getPort();

        HostProgram.Ended ended = python.run(
                "-c",
                "import runpy, sys, types; runpy.run_path(sys.argv[1])['fetch']("
                        + "types.SimpleNamespace(url=sys.argv[2], login_file=None), '')",
                PROGRAM.toString(),
                url);

        assertThat(ended.output()).contains("OSError: " + url + ": [Errno ");
    }
}
