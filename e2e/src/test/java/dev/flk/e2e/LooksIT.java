// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.sample.Pcs;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.openqa.selenium.By;
import org.openqa.selenium.interactions.Actions;

/** Tests of the layout of the operators' page, and of what its plots and buttons do, in a real browser. */
final class LooksIT {
    private static final String TOKEN = "the token of an operator";
    private static final int OUTCOMES = 120;

    @TempDir
    private static Path directory;

    private static Browser browser;
    private static BackendProcess backend;
    private static Client client;

    @BeforeAll
    static void start() throws Exception {
        browser = Browser.start();
        byte[] digest = MessageDigest.getInstance("SHA-256").digest(TOKEN.getBytes(StandardCharsets.UTF_8));
        Files.writeString(
                directory.resolve("tokens.json"),
                "{\"version\": 1, \"tokens\": [{\"name\": \"operator\", \"sha256\": \""
                        + HexFormat.of().formatHex(digest)
                        + "\", \"read\": [\"sessions/\"], \"write\": [\"sessions/\"]}]}");
        backend = BackendProcess.start(directory, Map.of("STATE_PORT", "0", "STATE_TOKENS_FILE", "tokens.json"));
        client = new Client(backend.url());
        client.awaitReady();
        submit("hall-3/bearing-of-the-inner-ring/sensor-12", 1, OUTCOMES);
        client.send(client.request("/v1/sessions/agent-1")
                .header("Authorization", "Bearer " + TOKEN)
                .PUT(BodyPublishers.ofString("{\"version\":\"1.0\",\"host\":\"edge-1.plant.example\",\"shards\":"
                        + "[\"hall-3/bearing-of-the-inner-ring/sensor-12\",\"b\",\"c\"]}")));
    }

    @AfterAll
    static void close() {
        if (backend != null) {
            backend.close();
        }
        if (browser != null) {
            browser.close();
        }
    }

    /** Returns a certificate. Every fifth makes a wrong claim. */
    private static Pcs pcs(int number, String shard) {
        return Pcs.number(number).ofShard(shard).with("D_hat", number % 5 == 0 ? "1.9" : "1.0");
    }

    private static void submit(String shard, int from, int to) throws Exception {
        for (int i = from; i <= to; i++) {
            assertThat(client.submit(pcs(i, shard)).status()).isIn(200, 202);
        }
        client.awaitNothingPending();
        Client.awaitUntil(() -> client.metric("flk_record_lag_records") == 0);
    }

    private static String wrong() {
        return pcs(5, "hall-3/bearing-of-the-inner-ring/sensor-12").id().toString();
    }

    private static void open(String view) {
        browser.open(backend.url() + "/ui" + view);
    }

    private static String shard() {
        return "/shard?name=hall-3/bearing-of-the-inner-ring/sensor-12";
    }

    @ParameterizedTest
    @CsvSource({"390, dark", "390, light", "1280, dark", "1280, light"})
    void everyView_showsEverythingInTheWindow(int width, String theme) {
        browser.width(width);
        browser.theme(theme);
        for (String view : List.of(
                "",
                "/agents",
                "/shards",
                shard(),
                shard() + "&verdict=rejected",
                shard() + "&page=1",
                "/certificate?id=" + wrong(),
                "/review",
                "/state?events=on")) {
            open(view);
            browser.requireSound();
            Object cut = browser.run("""
                    const cuts = (each) => getComputedStyle(each).overflowX !== 'visible'
                        && each.scrollWidth > each.clientWidth + 1;
                    return [...document.querySelectorAll('main *:not(.hidden, thead, input, select, svg *)')].filter(cuts)
                        .map((each) => each.outerHTML.slice(0, 200));
                    """);
            if (!view.startsWith("/state")) { // a value may be as long as it likes
                assertThat((List<?>) cut).as(view).isEmpty();
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"390", "1280"})
    void update_movesNothing(int width) throws Exception {
        browser.width(width);
        browser.zone("Asia/Tokyo");
        String shard = "live-" + width;
        submit(shard, 1_000 * width, 1_000 * width + 100);
        int next = 1_000 * width + 101;
        for (String view : List.of("/shards", "/shard?name=" + shard, "/agents")) {
            open(view);
            // what moves while the page is loading belongs to no update
            browser.run("return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
            browser.run("""
                    window.shifts = [];
                    const name = (source) => source.node?.nodeName + ' ' + source.node?.textContent;
                    new PerformanceObserver((list) => list.getEntries()
                        .forEach((each) => shifts.push(each.value + ': ' + each.sources.map(name))))
                        .observe({ type: 'layout-shift' });
                    document.addEventListener('htmx:afterSettle', () => { window.isUpdated = true; });
                    """);
            List<?> before = boxes();

            submit(shard, next, next);
            next++;

            Client.awaitUntil(() -> Boolean.TRUE.equals(browser.run("return window.isUpdated === true")));
            assertThat(boxes()).as(view).isEqualTo(before);
            assertThat((List<?>) browser.run("return new Promise((done) => requestAnimationFrame("
                            + "() => requestAnimationFrame(() => done(window.shifts))))"))
                    .as(view)
                    .isEmpty();
        }
    }

    private static List<?> boxes() {
        return (List<?>) browser.run("""
                return [...document.querySelectorAll('body > header *, h1, h2, form, figure, nav, thead th, .wide')]
                    .map((each) => [each.tagName, each.textContent.slice(0, 20).replace(/\\d/g, '0'),
                        ...['x', 'y', 'width'].map((side) => each.getBoundingClientRect()[side])].join(' '));
                """);
    }

    @Test
    void pointOfAPlot_saysWhatItIs_andOpensItsCertificate() {
        browser.width(Browser.WIDE);
        open(shard());
        assertThat(browser.driver().findElements(By.cssSelector("figure"))).hasSize(3);
        for (int i = 0; i < 3; i++) {
            assertThat(browser.driver()
                            .findElements(By.cssSelector("figure"))
                            .get(i)
                            .findElements(By.cssSelector("a[tabindex='-1'] title")))
                    .hasSize(OUTCOMES);
        }
        String link = "figure[data-zoom] a[href='/ui/certificate?id=" + wrong() + "']";
        assertThat(browser.find(link + " title").getAttribute("textContent"))
                .startsWith(wrong().substring(0, 12) + " rejected, D̂ claimed 1.9000, recomputed 1.0000");

        // an update may replace the plot while the pointer moves
        await().ignoreExceptions().until(() -> {
            new Actions(browser.driver())
                    .moveToElement(browser.find(link + " circle:last-of-type"))
                    .click()
                    .perform();
            return browser.driver().getCurrentUrl().contains("/ui/certificate?id=");
        });
        assertThat(browser.text()).contains("This certificate was rejected: D_hat out of tolerance");
    }

    @Test
    void dates_selectARange() {
        browser.width(Browser.NARROW);
        open(shard());
        assertThat(browser.find("input[name=from]").getAttribute("value"))
                .as("nobody has chosen a range")
                .isEmpty();
        browser.run("""
                document.querySelector('input[name=from]').value = '2020-01-01T00:00';
                document.querySelector('input[name=to]').value = '2020-02-01T00:00';
                """);

        browser.find("main form button").click();

        browser.awaitText("The record has no outcome of this shard in this range of time.");
        assertThat(browser.driver().getCurrentUrl()).contains("from=2020-01-01T00%3A00");
        assertThat(browser.text()).contains("From 2020-01-01 ");
        assertThat(browser.find("input[name=to]").getAttribute("value")).startsWith("2020-02-01T00:00");
    }

    @Test
    void copyButton_copies_orSelectsTheTextWhereTheBrowserForbidsIt() {
        browser.width(Browser.WIDE);
        open("/certificate?id=" + wrong());
        browser.run("window.copied = []; Object.defineProperty(navigator, 'clipboard', { configurable: true, value:"
                + " { writeText: async (text) => { copied.push(text); } } })");
        List<String> texts = List.of(
                wrong(),
                "flk backend wal cat --id " + wrong()
                        + " --kind submission --json --body | jq -r .body | flk backend explain -");

        for (int i = 0; i < texts.size(); i++) {
            browser.driver().findElements(By.cssSelector("button.copy")).get(i).click();
        }

        Client.awaitUntil(
                () -> browser.find("#said").getAttribute("textContent").equals("Copied"));
        assertThat((List<?>) browser.run("return copied")).isEqualTo(texts);
        // as on a page that came over plain HTTP
        browser.run("Object.defineProperty(navigator, 'clipboard', { value: undefined });"
                + " document.execCommand = () => false;");
        browser.driver().findElements(By.cssSelector("button.copy")).get(1).click();
        Client.awaitUntil(
                () -> browser.find("#said").getAttribute("textContent").equals("Selected"));
        assertThat(browser.run("return document.getSelection().toString()")).isEqualTo(texts.get(1));
        assertThat(browser.errors()).isEmpty();
    }

    @Test
    void icon_isRedWhileTheTitleCountsProblems() {
        open("/shards");
        assertThat(icon()).contains("%230a57c2").doesNotContain("%23b3261e");

        browser.run("document.title = '(1) Now'; document.dispatchEvent(new Event('htmx:afterSettle'))");

        assertThat(icon()).contains("%23b3261e").doesNotContain("%230a57c2");
        assertThat(browser.errors()).isEmpty();
    }

    private static String icon() {
        return browser.find("link[rel=icon]").getAttribute("href");
    }

    @Test
    void agentAndShard_leadToEachOther() {
        browser.width(Browser.WIDE);
        open("/agents");
        browser.find("summary").click();
        browser.awaitText("and 1 more\nc");
        browser.driver()
                .findElement(By.linkText("hall-3/bearing-of-the-inner-ring/sensor-12"))
                .click();
        browser.awaitText("agents that send it");

        browser.driver().findElement(By.linkText("agents that send it")).click();

        browser.awaitText("Agents as they last reported");
        assertThat(browser.find("tbody th").getText()).isEqualTo("agent-1");
    }
}
