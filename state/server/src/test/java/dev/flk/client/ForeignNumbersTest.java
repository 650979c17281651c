// SPDX-License-Identifier: Apache-2.0
package dev.flk.client;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.Timestamp;
import com.sun.net.httpserver.HttpServer;
import dev.flk.client.SessionStore.Credentials;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tests of the clients of state and sessions with numbers that no backend sends. */
class ForeignNumbersTest {
    @ParameterizedTest
    @CsvSource({
        "9223372036854775808, 2026-01-31T12:00:00Z, 60",
        "1, 2026-01-31, 60",
        "1, 2026-01-31T12:00:00Z, 9223372036854775808"
    })
    void session_headerThatIsNoNumber_isASessionCallException(String version, String updatedAt, String expiresIn)
            throws Exception {
        HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/", exchange -> {
            exchange.getResponseHeaders().add("ETag", '"' + version + '"');
            exchange.getResponseHeaders().add("X-Flk-Updated-At", updatedAt);
            exchange.getResponseHeaders().add("X-Flk-Expires-In", expiresIn);
            exchange.sendResponseHeaders(200, -1);
            exchange.close();
        });
        server.start();
        try {
            SessionStore store = SessionStore.connect(
                    "http://127.0.0.1:" + server.getAddress().getPort(), Credentials.token("token"));

            assertThatThrownBy(() -> store.get("a"))
                    .isInstanceOf(SessionCallException.class)
                    .hasMessageContaining("does the URL name the right server?");
        } finally {
            server.stop(0);
        }
    }

    @Test
    void state_timeBeyondAllTimes_isAStateCallException() {
        assertThatThrownBy(() -> Messages.instant(
                        Timestamp.newBuilder().setSeconds(Long.MAX_VALUE).build()))
                .isInstanceOf(StateCallException.class)
                .hasMessageContaining("does the address name a backend?");
    }
}
