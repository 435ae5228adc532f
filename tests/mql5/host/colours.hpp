// The web colours by name, as 0x00BBGGRR.
#pragma once

#include "types.hpp"

namespace mql
{
struct named_colour
{
  const char *name;
  uint value;
};

inline constexpr color clrBlack(0x000000u);
inline constexpr color clrDarkGreen(0x006400u);
inline constexpr color clrDarkSlateGray(0x4F4F2Fu);
inline constexpr color clrOlive(0x008080u);
inline constexpr color clrGreen(0x008000u);
inline constexpr color clrTeal(0x808000u);
inline constexpr color clrNavy(0x800000u);
inline constexpr color clrPurple(0x800080u);
inline constexpr color clrMaroon(0x000080u);
inline constexpr color clrIndigo(0x82004Bu);
inline constexpr color clrMidnightBlue(0x701919u);
inline constexpr color clrDarkBlue(0x8B0000u);
inline constexpr color clrDarkOliveGreen(0x2F6B55u);
inline constexpr color clrSaddleBrown(0x13458Bu);
inline constexpr color clrForestGreen(0x228B22u);
inline constexpr color clrOliveDrab(0x238E6Bu);
inline constexpr color clrSeaGreen(0x578B2Eu);
inline constexpr color clrDarkGoldenrod(0x0B86B8u);
inline constexpr color clrDarkSlateBlue(0x8B3D48u);
inline constexpr color clrSienna(0x2D52A0u);
inline constexpr color clrMediumBlue(0xCD0000u);
inline constexpr color clrBrown(0x2A2AA5u);
inline constexpr color clrDarkTurquoise(0xD1CE00u);
inline constexpr color clrDimGray(0x696969u);
inline constexpr color clrLightSeaGreen(0xAAB220u);
inline constexpr color clrDarkViolet(0xD30094u);
inline constexpr color clrFireBrick(0x2222B2u);
inline constexpr color clrMediumVioletRed(0x8515C7u);
inline constexpr color clrMediumSeaGreen(0x71B33Cu);
inline constexpr color clrChocolate(0x1E69D2u);
inline constexpr color clrCrimson(0x3C14DCu);
inline constexpr color clrSteelBlue(0xB48246u);
inline constexpr color clrGoldenrod(0x20A5DAu);
inline constexpr color clrMediumSpringGreen(0x9AFA00u);
inline constexpr color clrLawnGreen(0x00FC7Cu);
inline constexpr color clrCadetBlue(0xA09E5Fu);
inline constexpr color clrDarkOrchid(0xCC3299u);
inline constexpr color clrYellowGreen(0x32CD9Au);
inline constexpr color clrLimeGreen(0x32CD32u);
inline constexpr color clrOrangeRed(0x0045FFu);
inline constexpr color clrDarkOrange(0x008CFFu);
inline constexpr color clrOrange(0x00A5FFu);
inline constexpr color clrGold(0x00D7FFu);
inline constexpr color clrYellow(0x00FFFFu);
inline constexpr color clrChartreuse(0x00FF7Fu);
inline constexpr color clrLime(0x00FF00u);
inline constexpr color clrSpringGreen(0x7FFF00u);
inline constexpr color clrAqua(0xFFFF00u);
inline constexpr color clrDeepSkyBlue(0xFFBF00u);
inline constexpr color clrBlue(0xFF0000u);
inline constexpr color clrMagenta(0xFF00FFu);
inline constexpr color clrRed(0x0000FFu);
inline constexpr color clrGray(0x808080u);
inline constexpr color clrSlateGray(0x908070u);
inline constexpr color clrPeru(0x3F85CDu);
inline constexpr color clrBlueViolet(0xE22B8Au);
inline constexpr color clrLightSlateGray(0x998877u);
inline constexpr color clrDeepPink(0x9314FFu);
inline constexpr color clrMediumTurquoise(0xCCD148u);
inline constexpr color clrDodgerBlue(0xFF901Eu);
inline constexpr color clrTurquoise(0xD0E040u);
inline constexpr color clrRoyalBlue(0xE16941u);
inline constexpr color clrSlateBlue(0xCD5A6Au);
inline constexpr color clrDarkKhaki(0x6BB7BDu);
inline constexpr color clrIndianRed(0x5C5CCDu);
inline constexpr color clrMediumOrchid(0xD355BAu);
inline constexpr color clrGreenYellow(0x2FFFADu);
inline constexpr color clrMediumAquamarine(0xAACD66u);
inline constexpr color clrDarkSeaGreen(0x8FBC8Fu);
inline constexpr color clrTomato(0x4763FFu);
inline constexpr color clrRosyBrown(0x8F8FBCu);
inline constexpr color clrOrchid(0xD670DAu);
inline constexpr color clrMediumPurple(0xDB7093u);
inline constexpr color clrPaleVioletRed(0x9370DBu);
inline constexpr color clrCoral(0x507FFFu);
inline constexpr color clrCornflowerBlue(0xED9564u);
inline constexpr color clrDarkGray(0xA9A9A9u);
inline constexpr color clrSandyBrown(0x60A4F4u);
inline constexpr color clrMediumSlateBlue(0xEE687Bu);
inline constexpr color clrTan(0x8CB4D2u);
inline constexpr color clrDarkSalmon(0x7A96E9u);
inline constexpr color clrBurlyWood(0x87B8DEu);
inline constexpr color clrHotPink(0xB469FFu);
inline constexpr color clrSalmon(0x7280FAu);
inline constexpr color clrViolet(0xEE82EEu);
inline constexpr color clrLightCoral(0x8080F0u);
inline constexpr color clrSkyBlue(0xEBCE87u);
inline constexpr color clrLightSalmon(0x7AA0FFu);
inline constexpr color clrPlum(0xDDA0DDu);
inline constexpr color clrKhaki(0x8CE6F0u);
inline constexpr color clrLightGreen(0x90EE90u);
inline constexpr color clrAquamarine(0xD4FF7Fu);
inline constexpr color clrSilver(0xC0C0C0u);
inline constexpr color clrLightSkyBlue(0xFACE87u);
inline constexpr color clrLightSteelBlue(0xDEC4B0u);
inline constexpr color clrLightBlue(0xE6D8ADu);
inline constexpr color clrPaleGreen(0x98FB98u);
inline constexpr color clrThistle(0xD8BFD8u);
inline constexpr color clrPowderBlue(0xE6E0B0u);
inline constexpr color clrPaleGoldenrod(0xAAE8EEu);
inline constexpr color clrPaleTurquoise(0xEEEEAFu);
inline constexpr color clrLightGray(0xD3D3D3u);
inline constexpr color clrWheat(0xB3DEF5u);
inline constexpr color clrNavajoWhite(0xADDEFFu);
inline constexpr color clrMoccasin(0xB5E4FFu);
inline constexpr color clrLightPink(0xC1B6FFu);
inline constexpr color clrGainsboro(0xDCDCDCu);
inline constexpr color clrPeachPuff(0xB9DAFFu);
inline constexpr color clrPink(0xCBC0FFu);
inline constexpr color clrBisque(0xC4E4FFu);
inline constexpr color clrLightGoldenrod(0xD2FAFAu);
inline constexpr color clrBlanchedAlmond(0xCDEBFFu);
inline constexpr color clrLemonChiffon(0xCDFAFFu);
inline constexpr color clrBeige(0xDCF5F5u);
inline constexpr color clrAntiqueWhite(0xD7EBFAu);
inline constexpr color clrPapayaWhip(0xD5EFFFu);
inline constexpr color clrCornsilk(0xDCF8FFu);
inline constexpr color clrLightYellow(0xE0FFFFu);
inline constexpr color clrLightCyan(0xFFFFE0u);
inline constexpr color clrLinen(0xE6F0FAu);
inline constexpr color clrLavender(0xFAE6E6u);
inline constexpr color clrMistyRose(0xE1E4FFu);
inline constexpr color clrOldLace(0xE6F5FDu);
inline constexpr color clrWhiteSmoke(0xF5F5F5u);
inline constexpr color clrSeashell(0xEEF5FFu);
inline constexpr color clrIvory(0xF0FFFFu);
inline constexpr color clrHoneydew(0xF0FFF0u);
inline constexpr color clrAliceBlue(0xFFF8F0u);
inline constexpr color clrLavenderBlush(0xF5F0FFu);
inline constexpr color clrMintCream(0xFAFFF5u);
inline constexpr color clrSnow(0xFAFAFFu);
inline constexpr color clrWhite(0xFFFFFFu);
inline constexpr color clrNONE(0xFFFFFFFFu);

inline constexpr named_colour kColours[] = {
  {"clrBlack", clrBlack.value},
  {"clrDarkGreen", clrDarkGreen.value},
  {"clrDarkSlateGray", clrDarkSlateGray.value},
  {"clrOlive", clrOlive.value},
  {"clrGreen", clrGreen.value},
  {"clrTeal", clrTeal.value},
  {"clrNavy", clrNavy.value},
  {"clrPurple", clrPurple.value},
  {"clrMaroon", clrMaroon.value},
  {"clrIndigo", clrIndigo.value},
  {"clrMidnightBlue", clrMidnightBlue.value},
  {"clrDarkBlue", clrDarkBlue.value},
  {"clrDarkOliveGreen", clrDarkOliveGreen.value},
  {"clrSaddleBrown", clrSaddleBrown.value},
  {"clrForestGreen", clrForestGreen.value},
  {"clrOliveDrab", clrOliveDrab.value},
  {"clrSeaGreen", clrSeaGreen.value},
  {"clrDarkGoldenrod", clrDarkGoldenrod.value},
  {"clrDarkSlateBlue", clrDarkSlateBlue.value},
  {"clrSienna", clrSienna.value},
  {"clrMediumBlue", clrMediumBlue.value},
  {"clrBrown", clrBrown.value},
  {"clrDarkTurquoise", clrDarkTurquoise.value},
  {"clrDimGray", clrDimGray.value},
  {"clrLightSeaGreen", clrLightSeaGreen.value},
  {"clrDarkViolet", clrDarkViolet.value},
  {"clrFireBrick", clrFireBrick.value},
  {"clrMediumVioletRed", clrMediumVioletRed.value},
  {"clrMediumSeaGreen", clrMediumSeaGreen.value},
  {"clrChocolate", clrChocolate.value},
  {"clrCrimson", clrCrimson.value},
  {"clrSteelBlue", clrSteelBlue.value},
  {"clrGoldenrod", clrGoldenrod.value},
  {"clrMediumSpringGreen", clrMediumSpringGreen.value},
  {"clrLawnGreen", clrLawnGreen.value},
  {"clrCadetBlue", clrCadetBlue.value},
  {"clrDarkOrchid", clrDarkOrchid.value},
  {"clrYellowGreen", clrYellowGreen.value},
  {"clrLimeGreen", clrLimeGreen.value},
  {"clrOrangeRed", clrOrangeRed.value},
  {"clrDarkOrange", clrDarkOrange.value},
  {"clrOrange", clrOrange.value},
  {"clrGold", clrGold.value},
  {"clrYellow", clrYellow.value},
  {"clrChartreuse", clrChartreuse.value},
  {"clrLime", clrLime.value},
  {"clrSpringGreen", clrSpringGreen.value},
  {"clrAqua", clrAqua.value},
  {"clrDeepSkyBlue", clrDeepSkyBlue.value},
  {"clrBlue", clrBlue.value},
  {"clrMagenta", clrMagenta.value},
  {"clrRed", clrRed.value},
  {"clrGray", clrGray.value},
  {"clrSlateGray", clrSlateGray.value},
  {"clrPeru", clrPeru.value},
  {"clrBlueViolet", clrBlueViolet.value},
  {"clrLightSlateGray", clrLightSlateGray.value},
  {"clrDeepPink", clrDeepPink.value},
  {"clrMediumTurquoise", clrMediumTurquoise.value},
  {"clrDodgerBlue", clrDodgerBlue.value},
  {"clrTurquoise", clrTurquoise.value},
  {"clrRoyalBlue", clrRoyalBlue.value},
  {"clrSlateBlue", clrSlateBlue.value},
  {"clrDarkKhaki", clrDarkKhaki.value},
  {"clrIndianRed", clrIndianRed.value},
  {"clrMediumOrchid", clrMediumOrchid.value},
  {"clrGreenYellow", clrGreenYellow.value},
  {"clrMediumAquamarine", clrMediumAquamarine.value},
  {"clrDarkSeaGreen", clrDarkSeaGreen.value},
  {"clrTomato", clrTomato.value},
  {"clrRosyBrown", clrRosyBrown.value},
  {"clrOrchid", clrOrchid.value},
  {"clrMediumPurple", clrMediumPurple.value},
  {"clrPaleVioletRed", clrPaleVioletRed.value},
  {"clrCoral", clrCoral.value},
  {"clrCornflowerBlue", clrCornflowerBlue.value},
  {"clrDarkGray", clrDarkGray.value},
  {"clrSandyBrown", clrSandyBrown.value},
  {"clrMediumSlateBlue", clrMediumSlateBlue.value},
  {"clrTan", clrTan.value},
  {"clrDarkSalmon", clrDarkSalmon.value},
  {"clrBurlyWood", clrBurlyWood.value},
  {"clrHotPink", clrHotPink.value},
  {"clrSalmon", clrSalmon.value},
  {"clrViolet", clrViolet.value},
  {"clrLightCoral", clrLightCoral.value},
  {"clrSkyBlue", clrSkyBlue.value},
  {"clrLightSalmon", clrLightSalmon.value},
  {"clrPlum", clrPlum.value},
  {"clrKhaki", clrKhaki.value},
  {"clrLightGreen", clrLightGreen.value},
  {"clrAquamarine", clrAquamarine.value},
  {"clrSilver", clrSilver.value},
  {"clrLightSkyBlue", clrLightSkyBlue.value},
  {"clrLightSteelBlue", clrLightSteelBlue.value},
  {"clrLightBlue", clrLightBlue.value},
  {"clrPaleGreen", clrPaleGreen.value},
  {"clrThistle", clrThistle.value},
  {"clrPowderBlue", clrPowderBlue.value},
  {"clrPaleGoldenrod", clrPaleGoldenrod.value},
  {"clrPaleTurquoise", clrPaleTurquoise.value},
  {"clrLightGray", clrLightGray.value},
  {"clrWheat", clrWheat.value},
  {"clrNavajoWhite", clrNavajoWhite.value},
  {"clrMoccasin", clrMoccasin.value},
  {"clrLightPink", clrLightPink.value},
  {"clrGainsboro", clrGainsboro.value},
  {"clrPeachPuff", clrPeachPuff.value},
  {"clrPink", clrPink.value},
  {"clrBisque", clrBisque.value},
  {"clrLightGoldenrod", clrLightGoldenrod.value},
  {"clrBlanchedAlmond", clrBlanchedAlmond.value},
  {"clrLemonChiffon", clrLemonChiffon.value},
  {"clrBeige", clrBeige.value},
  {"clrAntiqueWhite", clrAntiqueWhite.value},
  {"clrPapayaWhip", clrPapayaWhip.value},
  {"clrCornsilk", clrCornsilk.value},
  {"clrLightYellow", clrLightYellow.value},
  {"clrLightCyan", clrLightCyan.value},
  {"clrLinen", clrLinen.value},
  {"clrLavender", clrLavender.value},
  {"clrMistyRose", clrMistyRose.value},
  {"clrOldLace", clrOldLace.value},
  {"clrWhiteSmoke", clrWhiteSmoke.value},
  {"clrSeashell", clrSeashell.value},
  {"clrIvory", clrIvory.value},
  {"clrHoneydew", clrHoneydew.value},
  {"clrAliceBlue", clrAliceBlue.value},
  {"clrLavenderBlush", clrLavenderBlush.value},
  {"clrMintCream", clrMintCream.value},
  {"clrSnow", clrSnow.value},
  {"clrWhite", clrWhite.value},
};
}
