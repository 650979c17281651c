// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.plot;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.program.plot.Plot.Area;
import dev.flk.program.plot.Plot.Line;
import dev.flk.program.plot.Plot.Mark;
import dev.flk.program.plot.Plot.Point;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
import java.util.stream.Stream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

class PlotTest {
    private static final Axis TEN = Axis.around("value, no unit", 0, 10);

    private static Document parsed(String svg) throws Exception {
        return DocumentBuilderFactory.newInstance()
                .newDocumentBuilder()
                .parse(new ByteArrayInputStream(svg.getBytes(StandardCharsets.UTF_8)));
    }

    /** Two neighbouring scales can have a slope of more than 2^31. */
    @Test
    @Timeout(20)
    void boxCounts_hugeSlope_arePlotted() throws Exception {
        Plot plot = BoxCountPlot.of(
                "t", List.of(2_147_483_646, 2_147_483_647), List.of(1L, Long.MAX_VALUE), 9.37769e10, 620, 320, 110);

        assertThat(parsed(Plot.svg(List.of(plot)))
                        .getElementsByTagName("circle")
                        .getLength())
                .isEqualTo(2);
    }

    @Test
    void svg_isXmlWithEveryElement_andEscapesText() throws Exception {
        Plot plot = new Plot("a < b & \"c\"", TEN, TEN, 400, 200, 20)
                .area(Area.THIRD, 0, 5, 0, 10)
                .axes()
                .line(Line.FIRST, List.of(new Point(1, 1), new Point(2, 3)))
                .dots(Line.SECOND, 3, List.of(new Point(1, 1), new Point(2, Double.NaN)))
                .text(new Point(2, 3), "<script>")
                .limit(7)
                .legend(0, Area.FIRST, "sticky");

        Document document = parsed(Plot.svg(List.of(plot, plot)));
        assertThat(document.getElementsByTagName("path").getLength()).isEqualTo(4);
        assertThat(document.getElementsByTagName("circle").getLength()).isEqualTo(2);
        assertThat(document.getElementsByTagName("script").getLength()).isZero();
        assertThat(document.getDocumentElement().getTextContent())
                .contains("a < b & \"c\"", "<script>", "value, no unit", "sticky");
        assertThat(parsed(plot.embedded("a \"<b>\"")).getDocumentElement().getAttribute("aria-label"))
                .isEqualTo("a < b & \"c\". a \"<b>\"");
    }

    @Test
    void marks_areLinksWithoutATabStop_andEscapeTheirTexts() throws Exception {
        String hostile = "\"><script>&'";
        String svg = new Plot("", TEN, TEN, 400, 200, 20)
                .marks(List.of(
                        new Mark(List.of(new Point(1, 1), new Point(1, 9)), "/x?a=" + hostile + "&b=1", hostile),
                        new Mark(List.of(new Point(2, 1), new Point(2, 1.01), new Point(2, Double.NaN)), "/y", "y")))
                .embedded("");

        Document document = parsed(svg);
        NodeList links = document.getElementsByTagName("a");
        assertThat(links.getLength()).isEqualTo(2);
        Element first = (Element) links.item(0);
        assertThat(first.getAttribute("href")).isEqualTo("/x?a=" + hostile + "&b=1");
        assertThat(first.getAttribute("tabindex")).isEqualTo("-1");
        assertThat(first.getTextContent()).isEqualTo(hostile);
        assertThat(first.getElementsByTagName("circle").getLength()).isEqualTo(2);
        assertThat(((Element) links.item(1)).getElementsByTagName("circle").getLength())
                .isOne();
        assertThat(document.getElementsByTagName("script").getLength()).isZero();
    }

    @Test
    void fadingLine_isConnected_andItsEndIsOpaque() throws Exception {
        List<Point> points = Stream.iterate(0, i -> i + 1)
                .limit(101)
                .map(i -> new Point(i / 10.0, i / 10.0))
                .toList();
        NodeList paths = parsed(new Plot("", TEN, TEN, 400, 200, 20)
                        .fadingLine(Line.FIRST, points)
                        .embedded(""))
                .getElementsByTagName("path");

        String before = "";
        double opacity = 0;
        for (int i = 0; i < paths.getLength(); i++) {
            Element path = (Element) paths.item(i);
            String line = path.getAttribute("d");
            assertThat(line).startsWith(before);
            before = "M" + line.substring(line.lastIndexOf('L') + 1);
            assertThat(Double.parseDouble(path.getAttribute("stroke-opacity"))).isGreaterThan(opacity);
            opacity = Double.parseDouble(path.getAttribute("stroke-opacity"));
        }
        assertThat(opacity).isEqualTo(1);
        assertThat(parsed(new Plot("", TEN, TEN, 400, 200, 20)
                                .fadingLine(Line.FIRST, points.subList(0, 1))
                                .embedded(""))
                        .getElementsByTagName("path")
                        .getLength())
                .isOne();
    }

    @Test
    void line_isInterruptedByNaNAndStaysInside() {
        String svg = new Plot("", TEN, TEN, 164, 178, 0)
                .line(
                        Line.FIRST,
                        List.of(
                                new Point(0, 0),
                                new Point(10, 99),
                                new Point(5, Double.NaN),
                                new Point(5, -1),
                                new Point(10, 10)))
                .embedded("");

        assertThat(svg).contains("d=\"M64.0 134.0 L164.0 34.0 M114.0 134.0 L164.0 34.0\"");
    }

    @ParameterizedTest
    @CsvSource({
        "0, 0.3, 0.0 0.1 0.2 0.3",
        "0, 1, 0.0 0.2 0.4 0.6 0.8 1.0",
        "-1, 1, -1.0 -0.5 0.0 0.5 1.0",
        "1.37, 1.52, 1.35 1.40 1.45 1.50 1.55",
        "0, 47000, '0 10,000 20,000 30,000 40,000 50,000'",
        "2, 2, 2.0000000 2.0000005"
    })
    void axis_hasRoundTicks(double least, double most, String ticks) {
        assertThat(Axis.around("", least, most).ticks())
                .extracting(Axis.Tick::text)
                .containsExactly(ticks.split(" "));
    }

    @Test
    void timeAxis_tickText_dependsOnTheSpan() {
        Instant start = Instant.parse("2026-11-26T10:00:00Z");
        assertThat(Stream.of(1L, 60L, 3_600L, 864_000L)
                        .map(seconds -> Axis.ofTime("received", start, start.plusSeconds(seconds))
                                .ticks()
                                .get(4)
                                .text()))
                .containsExactly("10:00:01.000", "10:01:00", "11-26 11:00", "2026-12-06");
        assertThat(Axis.ofTime("received", start, start).most()).isGreaterThan(Axis.seconds(start));
    }

    @Test
    void sparkline_noneOneOrTwoValues_staysInTheBox() {
        assertThat(Plot.sparkline(List.of(), 0, 0, 100, 30, "none")).contains("d=\"\"");
        assertThat(Plot.sparkline(List.of(2.0), 2, 2, 100, 30, "one")).contains("d=\"M1.0 29.0\"");
        assertThat(Plot.sparkline(List.of(1.0, 3.0), 1, 3, 102, 32, "<two>"))
                .contains("d=\"M1.0 31.0 L101.0 1.0\"", "aria-label=\"&lt;two&gt;\"");
    }
}
