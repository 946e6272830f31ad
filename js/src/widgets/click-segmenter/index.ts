import { defineView } from "../../shared/view.tsx";
import { ClickSegmenter } from "./view.tsx";

export default defineView("click-segmenter", ClickSegmenter);
