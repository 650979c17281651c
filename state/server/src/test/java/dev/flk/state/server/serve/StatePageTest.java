// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.server.serve;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.state.MemoryEngine;
import dev.flk.state.Operation;
import dev.flk.state.StateEngine;
import dev.flk.state.StateKey;
import java.io.IOException;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Tests of the page for operators, on a real server whose state is in memory. */
class StatePageTest {
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    @RegisterExtension
    private final HttpFixture server = new HttpFixture();

    private final StateEngine engine = MemoryEngine.started();

    @AfterEach
    void close() {
        engine.close();
    }

    private HttpResponse<String> get(String target) throws IOException, InterruptedException {
        return server.send("GET", target, "");
    }

    @Test
    void state_linksFromNamespacesToTheVersionsOfAKey() throws Exception {
        server.state = engine;
        StateKey key = new StateKey("shop", "agent/1", "a b");
        for (String json : List.of("{\"price\":1,\"name\":\"<b>\"}", "{\"price\":2,\"name\":\"<b>\"}")) {
            assertThat(engine.apply("test", List.of(engine.write(key, json, Operation.ANY_VERSION)), ""))
                    .succeedsWithin(PATIENCE);
        }

        assertThat(get("/ui/state").body()).contains("<a href=\"/ui/state?namespace=shop\">shop</a>");
        assertThat(get("/ui/state?namespace=shop").body())
                .contains("<a href=\"/ui/state?namespace=shop&amp;agent=agent%2F1\">agent/1</a>");
        String keyAddress = "/ui/state?namespace=shop&agent=agent%2F1&key=a%20b";
        assertThat(get("/ui/state?namespace=shop&agent=agent%2F1").body())
                .contains(keyAddress.replace("&", "&amp;"), "<td>2</td>");
        assertThat(get(keyAddress).body())
                .contains("Version 1 and version 2", "<tr class=\"changed\">", "\"price\" : 1,", "\"price\" : 2,")
                .contains("<tr class=\"same\">", "&lt;b")
                .doesNotContain("<b>");
        assertThat(get(keyAddress + "&version=1").body()).contains("<h2>Version 1</h2>");
        assertThat(get("/ui/state?namespace=shop&events=on").body())
                .containsSubsequence("<th scope=\"row\">2</th>", "\"price\":2", "<th scope=\"row\">1</th>");
        assertThat(get("/ui/state?namespace=other&events=on").body())
                .contains("No change to this place is among the changes that were examined.");
        assertThat(get("/ui/state?namespace=shop&agent=x&key=y").body()).contains("The state has no such key.");
        assertThat(get("/ui/state?namespace=%20").statusCode()).isEqualTo(400);
    }

    @Test
    void withoutAState_saysWhy_andLoadsNothingFromOtherHosts() throws Exception {
        HttpResponse<String> answer = get("/ui/state");

        assertThat(answer.body())
                .contains("This program serves no state now.")
                .doesNotContain("style=", "<script", "http://");
        assertThat(answer.headers().firstValue("Content-Security-Policy").orElseThrow())
                .startsWith("default-src 'none'; style-src 'self';");
        assertThat(get("/ui/page.css").body()).contains("prefers-color-scheme: dark");
        assertThat(get("/ui").headers().firstValue("Location")).contains("/ui/state");
    }

    @Test
    void withLogin_onlyOperatorsAreServed() throws Exception {
        server.with("METRICS_USER", "ann").with("METRICS_PASS", "a long password");
        for (String path : List.of("/ui/state", "/metrics")) {
            assertThat(get(path).statusCode()).as(path).isEqualTo(401);
        }
        assertThat(get("/health").statusCode()).isEqualTo(200);
        assertThat(get("/readyz").statusCode()).isEqualTo(200);
    }
}
