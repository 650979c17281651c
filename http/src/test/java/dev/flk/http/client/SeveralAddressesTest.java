// SPDX-License-Identifier: Apache-2.0
package dev.flk.http.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import dev.flk.http.client.BoundedHttpClient.Request;
import dev.flk.http.client.BoundedHttpClient.Response;
import dev.flk.testkit.TestAuthority;
import java.io.IOException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLHandshakeException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** A host with the addresses 127.0.0.2, 127.0.0.3 and 127.0.0.1, in this order, and servers on some of them. */
class SeveralAddressesTest {
    private final List<String> looked = new CopyOnWriteArrayList<>();
    private final List<String> answered = new CopyOnWriteArrayList<>();
    private final List<AutoCloseable> opened = new CopyOnWriteArrayList<>();
    private int port;

    @AfterEach
    void close() throws Exception {
        for (AutoCloseable each : opened) {
            each.close();
        }
    }

    @Test
    void send_firstAddressRefusesConnections_usesTheNext() throws Exception {
        serve(HttpServer.create(), "127.0.0.1");
        BoundedHttpClient client = client("http", "backend.test", Optional.empty());

        assertThat(ask(client).status()).isEqualTo(200);
        assertThat(answered).containsExactly("127.0.0.1");
        assertThat(looked).containsExactly("backend.test");
    }

    @Test
    void send_addressAnswered_isKeptUntilItFails() throws Exception {
        HttpServer last = serve(HttpServer.create(), "127.0.0.1");
        BoundedHttpClient client = client("http", "backend.test", Optional.empty());
        ask(client);
        serve(HttpServer.create(), "127.0.0.2");

        ask(client);
        last.stop(0);
        await(client);

        assertThat(answered).containsExactly("127.0.0.1", "127.0.0.1", "127.0.0.2");
    }

    @Test
    void send_firstAddressAcceptsButDoesNotAnswer_nextRequestUsesTheNext() throws Exception {
        serve(HttpServer.create(), "127.0.0.1");
        ServerSocket silent = new ServerSocket();
        opened.add(silent);
        silent.bind(new InetSocketAddress("127.0.0.2", port));
        BoundedHttpClient client = client("http", "backend.test", Optional.empty());

        assertThatThrownBy(() -> ask(client, Duration.ofMillis(200))).isInstanceOf(ExecutionException.class);

        assertThat(ask(client).status()).isEqualTo(200);
    }

    @Test
    void send_noAddressListens_isAFailureToConnect() throws Exception {
        serve(HttpServer.create(), "127.0.0.1").stop(0);

        assertThatThrownBy(() -> ask(client("http", "backend.test", Optional.empty())))
                .hasCauseInstanceOf(ConnectException.class);
    }

    @Test
    void send_tls_certificateMustBeForTheHost() throws Exception {
        TestAuthority authority = TestAuthority.named("authority");
        SSLContext context = authority.context(authority.issue("server", "backend.test"));
        HttpsServer server = HttpsServer.create();
        server.setHttpsConfigurator(new HttpsConfigurator(context));
        serve(server, "127.0.0.1");

        assertThat(ask(client("https", "backend.test", Optional.of(context))).status())
                .isEqualTo(200);
        assertThatThrownBy(() -> ask(client("https", "other.test", Optional.of(context))))
                .hasCauseInstanceOf(SSLHandshakeException.class);
    }

    private <T extends HttpServer> T serve(T server, String address) throws IOException {
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

    private BoundedHttpClient client(String scheme, String host, Optional<SSLContext> tls) {
        BoundedHttpClient client =
                new BoundedHttpClient(URI.create(scheme + "://" + host + ":" + port), "test", tls, name -> {
                    looked.add(name);
                    return new InetAddress[] {
                        InetAddress.getByName("127.0.0.2"),
                        InetAddress.getByName("127.0.0.3"),
                        InetAddress.getByName("127.0.0.1")
                    };
                });
        opened.add(client);
        return client;
    }

    /** Asks until an answer arrives: the first request may still use a connection that the server is closing. */
    private static void await(BoundedHttpClient client) {
        org.awaitility.Awaitility.await()
                .ignoreExceptions()
                .until(() -> ask(client).status() == 200);
    }

    private static Response ask(BoundedHttpClient client) throws Exception {
        return ask(client, Duration.ofSeconds(20));
    }

    private static Response ask(BoundedHttpClient client, Duration timeout) throws Exception {
        CompletableFuture<Response> answer = new CompletableFuture<>();
        client.send(new Request("GET", "/", Map.of(), new byte[0], 100), timeout, (response, failure) -> {
            if (failure == null) {
                answer.complete(response);
            } else {
                answer.completeExceptionally(failure);
            }
        });
        return answer.get();
    }
}
