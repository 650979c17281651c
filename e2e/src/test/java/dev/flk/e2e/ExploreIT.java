// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.sample.Pcs;
import java.net.URLEncoder;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.openqa.selenium.By;
import org.openqa.selenium.Dimension;
import org.openqa.selenium.Keys;
import org.openqa.selenium.WebElement;
import org.openqa.selenium.interactions.Actions;

/** Tests of the view Explore in a real browser, served by a real backend. */
final class ExploreIT {
    private static final String TOKEN = "the token of an operator";
    private static final String HOSTILE =
            "\"><img src=x onerror=document.title='hacked'><script>document.title='hacked'</script>'&\u2028${1+1}</title>";

    private static Browser browser;

    @TempDir
    private Path directory;

    private BackendProcess backend;
    private Client client;

    @BeforeAll
    static void startBrowser() throws Exception {
        browser = Browser.start();
    }

    @AfterAll
    static void closeBrowser() {
        if (browser != null) {
            browser.close();
        }
    }

    @BeforeEach
    void start() throws Exception {
        byte[] digest = MessageDigest.getInstance("SHA-256").digest(TOKEN.getBytes(StandardCharsets.UTF_8));
        Files.writeString(
                directory.resolve("tokens.json"),
                "{\"version\": 1, \"tokens\": [{\"name\": \"operator\", \"sha256\": \""
                        + HexFormat.of().formatHex(digest)
                        + "\", \"read\": [\"sessions/\"], \"write\": [\"sessions/\"]}]}");
        backend = BackendProcess.start(directory, Map.of("STATE_PORT", "0", "STATE_TOKENS_FILE", "tokens.json"));
        client = new Client(backend.url());
        client.awaitReady();
        browser.open("about:blank");
        List<String> earlier = browser.errors();
        assertThat(earlier).isNotNull();
    }

    @AfterEach
    void stop() throws Exception {
        backend.close();
    }

    /** Submits certificates, every fifth of which makes a wrong claim. */
    private void submit(String shard, int from, int to) throws Exception {
        for (int number = from; number <= to; number++) {
            Pcs pcs = Pcs.number(number).ofShard(shard);
            assertThat(client.submit(number % 5 == 0 ? pcs.with("D_hat", "2.9") : pcs)
                            .status())
                    .isIn(200, 202);
        }
        client.awaitNothingPending();
        Client.awaitUntil(() -> client.metric("flk_record_lag_records") == 0);
    }

    private void explore(String query) {
        browser.open(backend.url() + "/ui/outcomes" + query);
    }

    private static List<String> ids() {
        return ((List<?>) browser.run("return [...document.querySelectorAll('tbody td[data-label=certificate] a')]"
                        + ".map(link => link.href.replace(/.*id=/, ''))"))
                .stream().map(Object::toString).toList();
    }

    /** Waits for a number of rows: the browser may still be reading the page. */
    private static void awaitIds(int number) {
        await().untilAsserted(() -> assertThat(ids()).as(browser.text()).hasSize(number));
    }

    private static void click(String link) {
        browser.driver().findElement(By.linkText(link)).click();
    }

    @Test
    void view_emptyAndWithData_isSoundAtEachWidthAndTheme() throws Exception {
        for (int width : List.of(Browser.WIDE, Browser.NARROW)) {
            browser.width(width);
            explore("");
            browser.awaitText("The record has no certificates.");
            browser.requireSound();
        }
        submit("pump-1", 1, 30);
        for (int width : List.of(Browser.WIDE, Browser.NARROW)) {
            for (String theme : List.of("light", "dark")) {
                browser.width(width);
                browser.theme(theme);
                for (String query : List.of("", "?verdict=rejected&shard=pump-1", "?clock=measured", "?shard=none")) {
                    explore(query);
                    browser.requireSound();
                }
            }
        }
        assertThat(browser.find("nav a[aria-current]").getText()).isEqualTo("Explore");
    }

    @Test
    void form_selectsCertificates_andEachConditionCanBeRemoved() throws Exception {
        browser.width(Browser.WIDE);
        submit("pump-1", 1, 20);
        submit("pump-2", 21, 30);
        explore("");
        awaitIds(30);
        assertThat(browser.find("#total").getText()).isEqualTo("30 certificates");

        browser.find("select[name=verdict] option[value=rejected]").click();
        browser.find("input[name=shard]").sendKeys("pump-1" + Keys.ENTER);

        browser.awaitText("4 rejected certificates (shard pump-1)");
        assertThat(browser.driver().getCurrentUrl()).endsWith("/ui/outcomes?verdict=rejected&shard=pump-1");
        awaitIds(4);
        assertThat(browser.text()).contains("The verdict is rejected.", "The shard is pump-1.");
        browser.find("a[aria-label='Remove: The shard is pump-1.']").click();
        awaitIds(6);
        click("last hour");
        Client.awaitUntil(() -> browser.driver().getCurrentUrl().contains("&from="));
        awaitIds(6);
        assertThat(browser.find("input[name=from]").getAttribute("value")).startsWith("20");
        assertThat(browser.errors()).isEmpty();
    }

    @Test
    void agent_selectsTheShardsOfItsReport() throws Exception {
        submit("pump-1", 1, 3);
        submit("pump-2", 4, 6);
        assertThat(client.send(client.request("/v1/sessions/agent-1")
                                .header("Authorization", "Bearer " + TOKEN)
                                .PUT(BodyPublishers.ofString("{\"shards\":[\"pump-2\"]}")))
                        .status())
                .isEqualTo(200);

        explore("?agent=agent-1");

        awaitIds(3);
        assertThat(browser.text()).contains("The agent agent-1 has reported the shard: pump-2.");
    }

    @Test
    void bars_zoomByClickAndByDragging() throws Exception {
        browser.width(Browser.WIDE);
        submit("pump-1", 1, 8);
        explore("?from=2020-01-01T00:00:00Z&to=2040-01-01T00:00:00Z");
        WebElement bars = browser.find("figure[data-zoom] svg");
        Dimension size = bars.getSize();

        new Actions(browser.driver())
                .moveToElement(bars, -size.width / 4, 0)
                .clickAndHold()
                .moveToElement(bars, size.width / 4, 0)
                .release()
                .perform();

        Client.awaitUntil(() -> browser.driver().getCurrentUrl().contains("clock=received&from=2024"));
        awaitIds(8);
        String before = browser.driver().getCurrentUrl();
        browser.find("svg.bars a").sendKeys(Keys.ENTER);
        Client.awaitUntil(() -> !browser.driver().getCurrentUrl().equals(before));
        awaitIds(8);
        click("zoom out");
        browser.awaitText("8 certificates that arrived from");
        assertThat(browser.errors()).isEmpty();
    }

    @Test
    void pages_leadThereAndBack_andFilesHaveWhatTheListShows() throws Exception {
        browser.width(Browser.WIDE);
        submit("pump-1", 1, 110);
        explore("?shard=pump-1");
        awaitIds(100);
        List<String> first = ids();
        String csv = browser.driver().findElement(By.linkText("CSV")).getAttribute("href");
        String ndjson = browser.driver().findElement(By.linkText("NDJSON")).getAttribute("href");

        click("Older certificates");
        awaitIds(10);
        List<String> second = ids();
        click("Newer certificates");
        awaitIds(100);

        assertThat(ids()).isEqualTo(first);
        assertThat(client.get(csv.replace(backend.url(), ""))
                        .body()
                        .lines()
                        .skip(1)
                        .map(line -> line.split(",", -1)[3]))
                .startsWith(first.toArray(String[]::new))
                .endsWith(second.toArray(String[]::new))
                .hasSize(110);
        assertThat(client.get(ndjson.replace(backend.url(), "")).body().lines())
                .hasSize(110)
                .allMatch(line -> line.contains("\"shard_id\":\"pump-1\""));
        assertThat(browser.errors()).isEmpty();
    }

    @Test
    void hostileText_inEachParameter_isInert() throws Exception {
        browser.width(Browser.NARROW);
        submit(HOSTILE, 4, 5);
        String text = URLEncoder.encode(HOSTILE, StandardCharsets.UTF_8);
        for (String name :
                List.of("clock", "from", "to", "verdict", "regime", "shard", "agent", "key", "reason", "id")) {
            explore("?" + name + "=" + text);
            requireInert(name);
            explore("?" + name + "=" + text + (name.equals("verdict") ? "" : "&verdict=accepted"));
            requireInert(name);
        }
        for (String name : List.of("cursor", "newer", text)) {
            explore("?" + name + "=" + text);
            requireInert(name);
        }
        explore("?shard=" + text);
        awaitIds(2);
        assertThat(browser.find("input[name=shard]").getAttribute("value")).isEqualTo(HOSTILE);
        assertThat(browser.errors()).noneMatch(error -> error.contains("Content Security Policy"));
    }

    private static void requireInert(String name) {
        assertThat(browser.driver().getTitle()).as(name).doesNotStartWith("hacked");
        assertThat(browser.driver().findElements(By.cssSelector("img, main script, [onerror]")))
                .as(name)
                .isEmpty();
    }
}
