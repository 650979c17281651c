// SPDX-License-Identifier: Apache-2.0
import java.awt.image.BufferedImage;
import java.io.File;
import java.io.IOException;
import javax.imageio.IIOImage;
import javax.imageio.ImageIO;
import javax.imageio.ImageWriteParam;
import javax.imageio.ImageWriter;
import javax.imageio.stream.ImageOutputStream;

/**
 * Makes pictures of pages about half as large: each colour has 32 instead of 256 levels, which nobody sees in text, and
 * the file is compressed as well as possible.
 */
final class SmallerPng {
    private SmallerPng() {}

    public static void main(String[] files) throws IOException {
        for (String name : files) {
            File file = new File(name);
            BufferedImage picture = ImageIO.read(file);
            BufferedImage smaller =
                    new BufferedImage(picture.getWidth(), picture.getHeight(), BufferedImage.TYPE_INT_RGB);
            for (int y = 0; y < picture.getHeight(); y++) {
                for (int x = 0; x < picture.getWidth(); x++) {
                    int colour = picture.getRGB(x, y);
                    smaller.setRGB(x, y, rounded(colour, 16) | rounded(colour, 8) | rounded(colour, 0));
                }
            }
            ImageWriter writer = ImageIO.getImageWritersByFormatName("png").next();
            ImageWriteParam best = writer.getDefaultWriteParam();
            best.setCompressionMode(ImageWriteParam.MODE_EXPLICIT);
            best.setCompressionQuality(0);
            if (!file.delete()) {
                throw new IOException("can't replace " + file);
            }
            try (ImageOutputStream out = ImageIO.createImageOutputStream(file)) {
                writer.setOutput(out);
                writer.write(null, new IIOImage(smaller, null, null), best);
            }
        }
    }

    /** Returns the red (16), green (8) or blue (0) part of a colour, rounded to one of 32 levels. */
    private static int rounded(int colour, int shift) {
        int level = Math.round((colour >> shift & 0xff) * 31 / 255f);
        return level * 255 / 31 << shift;
    }
}
