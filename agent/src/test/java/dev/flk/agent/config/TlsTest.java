// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsParameters;
import com.sun.net.httpserver.HttpsServer;
import dev.flk.agent.config.AgentConfig.Need;
import dev.flk.agent.send.ClientTls;
import dev.flk.agent.testing.TestKeys;
import dev.flk.program.config.InvalidConfig;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLParameters;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TlsTest {
    @TempDir
    Path directory;

    private TestKeys ofServer;
    private TestKeys ofClient;
    private HttpsServer server;
    private boolean clientMustShow;

    @BeforeEach
    void start() throws Exception {
        ofServer = TestKeys.make(directory, "server", "dns:localhost,ip:127.0.0.1");
        ofClient = TestKeys.make(directory, "client", "dns:agent");
        SSLContext context = ofServer.server(ofClient);
        server = HttpsServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setHttpsConfigurator(new HttpsConfigurator(context) {
            @Override
            public void configure(HttpsParameters parameters) {
                SSLParameters how = context.getDefaultSSLParameters();
                how.setNeedClientAuth(clientMustShow);
                parameters.setSSLParameters(how);
            }
        });
        server.createContext("/", exchange -> {
            exchange.sendResponseHeaders(200, -1);
            exchange.close();
        });
        server.start();
    }

    @AfterEach
    void stop() {
        server.stop(0);
    }

    private AgentConfig config(Map<String, String> tls) throws InvalidConfig {
        Map<String, String> environment = new HashMap<>(tls);
        environment.put("ENDPOINT", "https://localhost:" + server.getAddress().getPort());
        return AgentConfig.load(environment, null, Set.of(Need.ENDPOINT));
    }

    private int ask(AgentConfig config) throws IOException, InterruptedException {
        HttpClient.Builder client = HttpClient.newBuilder();
        config.tls().map(ClientTls::context).ifPresent(client::sslContext);
        URI health = URI.create(config.endpoints().get(0) + "/health");
        return client.build()
                .send(HttpRequest.newBuilder(health).build(), BodyHandlers.discarding())
                .statusCode();
    }

    @Test
    void ownAuthority_isTrusted() throws Exception {
        assertThat(ask(config(Map.of("TLS_CA", ofServer.certificatePem())))).isEqualTo(200);
    }

    @Test
    void withoutIt_orWithAnother_theServerIsNotTrusted() throws Exception {
        for (Map<String, String> tls : Set.of(Map.<String, String>of(), Map.of("TLS_CA", ofClient.certificatePem()))) {
            AgentConfig config = config(tls);
            assertThatExceptionOfType(SSLException.class).isThrownBy(() -> ask(config));
        }
    }

    @Test
    void clientCertificate_isShown() throws Exception {
        clientMustShow = true;
        AgentConfig without = config(Map.of("TLS_CA", ofServer.certificatePem()));
        assertThatExceptionOfType(IOException.class).isThrownBy(() -> ask(without));

        assertThat(ask(config(Map.of(
                        "TLS_CA", ofServer.certificatePem(),
                        "TLS_CERT", ofClient.certificatePem(),
                        "TLS_KEY", ofClient.keyPem()))))
                .isEqualTo(200);
    }

    @Test
    void mistakes_areProblemsThatNameTheSetting_andShowNoKey() throws Exception {
        String key = ofClient.keyPem();
        for (Map<String, String> wrong : Set.of(
                Map.of("TLS_CA", "!garbage!"),
                Map.of("TLS_CERT", ofClient.certificatePem()),
                Map.of("TLS_KEY", key),
                Map.of("TLS_CERT", "!garbage!", "TLS_KEY", key),
                Map.of("TLS_CERT", ofClient.certificatePem(), "TLS_KEY", "!garbage!"))) {
            assertThatExceptionOfType(InvalidConfig.class)
                    .isThrownBy(() -> config(wrong))
                    .satisfies(e -> assertThat(e.problems())
                            .singleElement()
                            .asString()
                            .startsWith("TLS_")
                            .doesNotContain("BEGIN", "garbage"));
        }
    }
}
