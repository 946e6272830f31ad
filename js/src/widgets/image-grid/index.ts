import { defineView } from "../../shared/view.tsx";
import { ImageGrid } from "./view.tsx";

export default defineView("image-grid", ImageGrid);
