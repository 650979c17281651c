// SPDX-License-Identifier: Apache-2.0
package dev.flk.http.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import dev.flk.http.client.BoundedHttpClient.Request;
import dev.flk.testkit.TestAuthority;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLHandshakeException;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** A host with the addresses 127.0.0.2, 127.0.0.3 and 127.0.0.1, in this order, and servers on some of them. */
class SeveralAddressesTest {
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    private final List<String> answered = new CopyOnWriteArrayList<>();
    private final List<AutoCloseable> opened = new ArrayList<>();
    private int port;

    @AfterEach
    void close() throws Exception {
        for (AutoCloseable each : opened) {
            each.close();
        }
    }

    @Test
    void send_firstAddressesRefuse_usesTheNext_andKeepsItUntilItFails() throws Exception {
        HttpServer last = serve(HttpServer.create(), "127.0.0.1");
        BoundedHttpClient client = client("http://backend.test", null);
        ask(client, PATIENCE);
        serve(HttpServer.create(), "127.0.0.2");

        ask(client, PATIENCE);
        last.stop(0);
        // the first request may still use a connection that the server is closing
        Awaitility.await().ignoreExceptions().until(() -> ask(client, PATIENCE) == 200);

        assertThat(answered).containsExactly("127.0.0.1", "127.0.0.1", "127.0.0.2");
    }

    @Test
    void send_firstAddressAcceptsButDoesNotAnswer_nextRequestUsesTheNext() throws Exception {
        serve(HttpServer.create(), "127.0.0.1");
        ServerSocket silent = new ServerSocket(port, 1, InetAddress.getByName("127.0.0.2"));
        opened.add(silent);
        BoundedHttpClient client = client("http://backend.test", null);

        assertThatThrownBy(() -> ask(client, Duration.ofMillis(200))).isNotNull();

        assertThat(ask(client, PATIENCE)).isEqualTo(200);
    }

    @Test
    void send_tls_certificateMustBeForTheHost() throws Exception {
        TestAuthority authority = TestAuthority.named("authority");
        SSLContext context = authority.context(authority.issue("server", "backend.test"));
        HttpsServer server = HttpsServer.create();
        server.setHttpsConfigurator(new HttpsConfigurator(context));
        serve(server, "127.0.0.1");

        assertThat(ask(client("https://backend.test", context), PATIENCE)).isEqualTo(200);
        assertThatThrownBy(() -> ask(client("https://other.test", context), PATIENCE))
                .hasCauseInstanceOf(SSLHandshakeException.class);
    }

    private HttpServer serve(HttpServer server, String address) throws IOException {
        server.bind(new InetSocketAddress(address, port), 0);
        port = server.getAddress().getPort();
        server.createContext("/", exchange -> {
            answered.add(address);
            exchange.sendResponseHeaders(200, -1);
            exchange.close();
        });
        server.start();
        opened.add(() -> server.stop(0));
        return server;
    }

    private BoundedHttpClient client(String url, SSLContext tls) throws IOException {
        InetAddress[] addresses = {
            InetAddress.getByName("127.0.0.2"), InetAddress.getByName("127.0.0.3"), InetAddress.getByName("127.0.0.1")
        };
        BoundedHttpClient client = new BoundedHttpClient(
                URI.create(url + ":" + port), "test", Optional.ofNullable(tls), host -> addresses);
        opened.add(client);
        return client;
    }

    private static int ask(BoundedHttpClient client, Duration timeout) throws Exception {
        CompletableFuture<Integer> status = new CompletableFuture<>();
        client.send(new Request("GET", "/", Map.of(), new byte[0], 100), timeout, (response, failure) -> {
            if (failure == null) {
                status.complete(response.status());
            } else {
                status.completeExceptionally(failure);
            }
        });
        return status.get();
    }
}
